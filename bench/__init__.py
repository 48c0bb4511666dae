"""Side-by-side measurements: `python -m bench` prints every figure beside its bar."""
