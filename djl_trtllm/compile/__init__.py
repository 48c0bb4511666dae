"""Compiled models on disk: what they depend on, where they lie, and how they come to be there exactly once."""
