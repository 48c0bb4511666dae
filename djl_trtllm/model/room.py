"""Whether a download fits on the disk, asked before it begins."""

from __future__ import annotations

from pathlib import Path

from djl_trtllm.errors import ModelNotFound
from djl_trtllm.options import places

MARGIN = 256 << 20
"""Bytes that stay free: what else writes to the disk meanwhile, and what the file system keeps for itself."""


def check(needed: int, directory: Path, origin: str, remedy: str) -> None:
    """Refuse with `ModelNotFound` what does not fit. `needed` are the bytes to come, `remedy` what to set instead."""
    if not needed:
        return
    free = places.free_bytes(directory)
    if needed + MARGIN > free:
        raise ModelNotFound(
            f"Downloading {origin} needs {places.size(needed)} in {directory} and {places.size(MARGIN)} to spare,"
            f" and {places.size(free)} are free. Free some, or {remedy}."
        )
