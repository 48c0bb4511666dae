"""What an operator sees: the log, without a word of what clients send or get."""
