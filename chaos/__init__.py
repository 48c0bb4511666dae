"""Faults put in, and what becomes of the promises: `python -m chaos` prints every figure beside its bar."""
