"""A lock over processes and containers on one disk that dies with its owner.

flock(2), and not a file whose existence is the lock: that one survives a kill. Lock files stay where they are,
because removing one while another process opens it would split its waiters over two files.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from pathlib import Path

_TAKEN = (errno.EACCES, errno.EAGAIN)
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
_logger = logging.getLogger(__name__)


class Lock:
    """A lock on a path, for one or shared by several. Two objects of one process exclude each other too.

    `sure` is false once the file system turned out to have no locks: others may believe that they hold it.
    """

    def __init__(self, path: Path) -> None:
        self.sure = True
        self._path = path
        self._descriptor: int | None = None

    def acquire(self, *, shared: bool = False) -> bool:
        """Take the lock if nobody has one that excludes it. Raises OSError where the file cannot be made.

        On a file system without locks it is always free: what it guards is made in private and published by a
        rename, so all that is lost is that two processes may do the same work.
        """
        descriptor = self._open()
        if descriptor is None:
            return True
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN:
                os.close(descriptor)
                return False
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                raise
            self.sure = False
            _logger.warning("%s has no file locks; several processes may do the same work", self._path.parent)
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int | None:
        return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)


class Lease(Lock):
    """A lock for those too who can only read the disk. Where that has no such file, nobody else has one: it is free."""

    def _open(self) -> int | None:
        try:
            return super()._open()
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
        try:
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return None
