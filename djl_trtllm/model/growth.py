"""How far a download is, seen from outside: by the files that grow, for libraries that have no callback."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from djl_trtllm.core import Progress

_LOOK_EVERY = 1.0


@contextmanager
def watched(directory: Path, wanted: Mapping[str, int], progress: Progress, stage: str) -> Iterator[None]:
    """Report the percent of a stage meanwhile: `wanted` are names below `directory` and their sizes in bytes.

    What has not arrived whole is `<name>.incomplete`, or has something random before that ending.
    """
    ended = threading.Event()

    def look() -> None:
        total = sum(wanted.values())
        while total and not ended.wait(_LOOK_EVERY):
            arrived = sum(min(_arrived(directory, name), size) for name, size in wanted.items())
            progress.stage(stage, 100.0 * arrived / total)

    thread = threading.Thread(target=look, name="download-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _arrived(directory: Path, name: str) -> int:
    """Bytes of a file that are on the disk: one that is written in pieces may have holes."""
    with suppress(OSError):
        return (directory / name).stat().st_size
    found = 0
    with suppress(OSError):
        for part in directory.glob(f"{name}*.incomplete"):
            with suppress(OSError):
                found = max(found, part.stat().st_blocks * 512)
    return found
