"""The local front: DJL's own Java engine behind an HTTP server in Python, with nothing but wheels."""
