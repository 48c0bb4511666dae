"""What lies in a cache directory, as `djl-trtllm inspect` lists it, and what was removed from it."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from djl_trtllm.compile.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Entry:
    """One artifact. `manifest` is None where it cannot be read, and `problem` says why then, in one sentence.

    `bytes` is what its files take, `used` when it was last taken by a start, or published, in seconds since 1970.
    `in_use` says that a process serves it now, as far as the file system can tell.
    """

    key: str
    path: Path
    manifest: Manifest | None
    problem: str
    bytes: int
    used: float
    in_use: bool


@dataclass(frozen=True, slots=True)
class Removed:
    """Something that was removed, or would be: an artifact by its key, a directory by its name."""

    name: str
    bytes: int
    why: str


def tree_bytes(directory: Path) -> int:
    """Return the size of all files below a directory; of what goes away meanwhile nothing is counted."""
    total = 0
    with suppress(OSError), os.scandir(directory) as found:
        for item in found:
            if item.is_dir(follow_symlinks=False):
                total += tree_bytes(Path(item.path))
            else:
                with suppress(OSError):
                    total += item.stat(follow_symlinks=False).st_size
    return total
