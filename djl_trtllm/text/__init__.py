"""Text in and out of token ids: tokenizing, chat templates, incremental decoding, stop strings."""
