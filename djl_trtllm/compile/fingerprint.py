"""Digests of files by content, remembered while path, size, times and inode stay the same.

A gigabyte takes about half a second to hash, so a start on a cache hit asks the memory. A file that changed
within the last two seconds is not remembered: on some file systems another write would leave no trace.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from blake3 import blake3

from djl_trtllm.errors import ModelNotFound

_SETTLED_AFTER = 2.0
_MMAP_FROM = 1 << 20
_MOST_REMEMBERED = 20_000


def digest(file: Path) -> str:
    """Return 64 hex digits of BLAKE3 over a file's content; large files by mmap, on all cores."""
    hasher = blake3(max_threads=blake3.AUTO)
    if file.stat().st_size >= _MMAP_FROM:
        hasher.update_mmap(file)
    else:
        hasher.update(file.read_bytes())
    return str(hasher.hexdigest())


class Memory:
    """Digests seen before, in one small JSON file. Losing it costs time and nothing else."""

    def __init__(self, file: Path | None) -> None:
        self._file = file
        self._known: dict[str, list[object]] = self._load()
        self._fresh: dict[str, list[object]] = {}

    def digest(self, file: Path) -> str:
        """Return a file's digest, from memory where nothing about the file has changed."""
        real = os.path.realpath(file)
        before = _traits(real)
        known = self._known.get(real)
        if known is not None and known[1:] == before:
            return str(known[0])
        found = digest(Path(real))
        # Remembered only if nothing moved while it was read, and the times can tell a later write apart.
        if _traits(real) == before and time.time() - Path(real).stat().st_mtime > _SETTLED_AFTER:
            self._fresh[real] = [found, *before]
        return found

    def save(self) -> None:
        """Write what was learned; a directory that cannot be written is no error."""
        if self._file is None or not self._fresh:
            return
        known = {**self._load(), **self._fresh}
        kept = dict(list(known.items())[-_MOST_REMEMBERED:])
        half = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        with suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            try:
                half.write_text(json.dumps(kept))
                half.replace(self._file)
            finally:
                half.unlink(missing_ok=True)
        self._known, self._fresh = kept, {}

    def _load(self) -> dict[str, list[object]]:
        if self._file is None:
            return {}
        try:
            content = json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(content, dict):
            return {}
        return {path: row for path, row in content.items() if isinstance(row, list) and len(row) == 5}


def _traits(path: str) -> list[object]:
    status = Path(path).stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def digests(files: Iterable[tuple[str, Path]], memory: Memory) -> dict[str, str]:
    """Return the digest of each named file, and remember them. `ModelNotFound` where one cannot be read."""
    found: dict[str, str] = {}
    name = ""
    try:
        for name, file in files:
            found[name] = memory.digest(file)
    except OSError as error:
        raise ModelNotFound(f"{name} cannot be read: {error.strerror or error}.") from error
    memory.save()
    return found
