"""Request bodies in, `Request` out."""
