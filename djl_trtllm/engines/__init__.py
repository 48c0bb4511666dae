"""What runs a compiled model, one package per runtime, behind the seam in `base`."""
