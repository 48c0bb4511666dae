"""What the symbols of the stand-in do, beyond checking their arguments. One noun per file, found by `registry`."""
