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
_logger = logging.getLogger(__name__)


class Lock:
    """An exclusive lock on a path. Two objects of one process exclude each other too.

    `sure` is false once the file system turned out to have no locks: others may believe that they hold it.
    """

    def __init__(self, path: Path) -> None:
        self.sure = True
        self._path = path
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock if it is free. Raises OSError where the file cannot be made.

        On a file system without locks it is always free: builds are private and published by a rename, so all
        that is lost is that two processes may build the same thing.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _TAKEN:
                os.close(descriptor)
                return False
            if error.errno not in _NO_LOCKS:
                os.close(descriptor)
                raise
            self.sure = False
            _logger.warning(
                "%s has no file locks; several processes may compile the same model", self._path.parent
            )
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Give the lock back; nothing happens when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
