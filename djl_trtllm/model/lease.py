"""A lock on a file that dies with its process: exclusive while something is changed, shared while it is used.

flock(2). On a file system without locks, or one that is read-only and has no such file, it is always free.
"""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

_TAKEN = (errno.EACCES, errno.EAGAIN)
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)


class Lease:
    """One lock. Leases of one process on the same path exclude each other as those of several do."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self, *, shared: bool = False) -> bool:
        """Take the lock if nobody has one that excludes it. Raises OSError where the file cannot be made."""
        descriptor = self._open()
        if descriptor is None:
            return True
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN:
                os.close(descriptor)
                return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int | None:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
        try:
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
