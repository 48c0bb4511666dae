"""The files of one listing in S3, on this disk: whole, and never changed.

<snapshot>/           the files
<snapshot>.json       size and ETag of each
<snapshot>.used       flock(2), shared by each process that has it in use; its time is the last use
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from djl_trtllm.lock import Lease
from djl_trtllm.s3.client import Object

_NAME = re.compile(r"[0-9a-f]{16}")
_in_use: dict[Path, Lease] = {}


class Snapshot:
    """One directory; it need not exist. The lock of the directory that it lies in must be held."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._described = path.with_suffix(".json")
        self._used = path.with_suffix(".used")

    def objects(self) -> list[Object]:
        """Return what it is of. OSError where that is not there, ValueError where it is damaged."""
        content: Mapping[str, tuple[int, str]] = json.loads(self._described.read_bytes())
        try:
            return [Object(name, size, etag) for name, (size, etag) in content.items()]
        except (AttributeError, TypeError) as error:
            raise ValueError(self.path.name) from error

    def is_whole(self, wanted: Sequence[Object]) -> bool:
        """Whether every object is there with its size."""
        return (
            is_name(self.path.name)
            and self.path.is_dir()
            and all(has_size(self.path / item.name, item.size) for item in wanted)
        )

    def publish(self, private: Path, wanted: Sequence[Object]) -> None:
        """Make a private directory with all files this snapshot, instead of a damaged one."""
        self._clear()
        write(self._described, json.dumps({item.name: [item.size, item.etag] for item in wanted}))
        private.rename(self.path)

    def hold(self) -> None:
        """Say that it is in use until this process ends; where that cannot be recorded nothing happens."""
        lease = Lease(self._used)
        if self.path not in _in_use and lease.acquire(shared=True):
            _in_use[self.path] = lease
        with suppress(OSError):
            os.utime(self._used)

    def last_use(self) -> float:
        """Return when a start took it last, in seconds since 1970."""
        for file in (self._used, self.path):
            with suppress(OSError):
                return file.stat().st_mtime
        return time.time()

    def remove(self, *, dry_run: bool = False) -> bool:
        """Remove it, unless a process uses it or the file system cannot tell. Whether it went, or would have."""
        if self.path in _in_use:
            return False
        lease, last = Lease(self._used), self.last_use()
        try:
            if not lease.acquire():
                return False
            if lease.sure and not dry_run:
                self._clear()
                for file in (self._described, self._used):
                    file.unlink(missing_ok=True)
            elif dry_run:
                with suppress(OSError):
                    os.utime(self._used, (last, last))
            return lease.sure
        finally:
            lease.release()

    def _clear(self) -> None:
        away = self.path.with_suffix(".old")
        shutil.rmtree(away, ignore_errors=True)
        with suppress(FileNotFoundError):
            self.path.rename(away)
        shutil.rmtree(away, ignore_errors=True)


def below(home: Path) -> list[Snapshot]:
    """Return all snapshots of one address."""
    return [Snapshot(path) for path in home.iterdir() if is_name(path.name) and path.is_dir()]


def is_name(name: str) -> bool:
    """Whether a directory of this name is a snapshot."""
    return _NAME.fullmatch(name) is not None


def has_size(file: Path, size: int) -> bool:
    """Whether a file is there and has so many bytes."""
    try:
        return file.stat().st_size == size
    except OSError:
        return False


def write(file: Path, text: str) -> None:
    """Write a file whole or not at all."""
    half = file.with_name(f"{file.name}.half")
    with half.open("w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    half.replace(file)
