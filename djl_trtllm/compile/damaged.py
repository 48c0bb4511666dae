"""Artifacts that this process has found damaged: it takes none of them again, whether or not they could be removed."""

from __future__ import annotations

from pathlib import Path

from djl_trtllm.compile.store import Stamp

found: dict[Path, Stamp | None] = {}
"""By where they lie: what tells the damaged one from another that was published there since."""


def is_known(path: Path, stamp: Stamp | None) -> bool:
    """Whether what lies there now is the one that was found damaged."""
    return path in found and found[path] == stamp
