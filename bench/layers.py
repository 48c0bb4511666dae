"""The layers that a worker's time is divided into, and the file in which it says how."""

FILE = "layers.json"
ENDED = "ended"
"""The key beside the layers' seconds of how many requests have been answered."""
LAYERS = ("java", "read", "handler", "engine", "send")
