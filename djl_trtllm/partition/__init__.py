"""The ahead-of-time partition script of LMI's containers, by the same compile as a load."""
