"""Guided decoding: guides are checked in a process of their own, and compiled beside the pipeline."""
