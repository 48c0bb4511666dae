"""Where models come from and what they are: no engine is known here."""
