"""Who uses an artifact, over processes and containers on one disk, and when one did last.

One file per key beside the artifacts: whoever serves the artifact holds a shared flock(2) on it for as long as it
lives, and its time of modification is the last use. Removing an artifact takes the lock for itself alone.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from pathlib import Path

_PATIENCE = 5.0
_LOOK_EVERY = 0.02


class Use:
    """One process's use of one artifact. The lock dies with the process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def hold(self) -> None:
        """Say that the artifact is in use from now on. Where that cannot be recorded nothing happens, and no error."""
        if self._descriptor is not None and not os.fstat(self._descriptor).st_nlink:
            self.release()  # the cache was removed, and made anew by somebody
        if self._descriptor is None:
            self._descriptor = self._open(create=True)
        if self._descriptor is None:
            return
        with suppress(OSError):
            os.utime(self._descriptor)
        until = time.monotonic() + _PATIENCE  # whoever removes something has the lock for one rename
        while _taken(self._descriptor, fcntl.LOCK_SH) and time.monotonic() < until:
            time.sleep(_LOOK_EVERY)

    def alone(self) -> bool:
        """Take the lock for as long as nobody may begin to use the artifact; False where somebody does."""
        self.release()
        self._descriptor = self._open(create=True)
        if self._descriptor is not None:
            taken = _taken(self._descriptor, fcntl.LOCK_EX)
            if taken is False:
                return True
            if taken:
                with suppress(OSError):
                    os.utime(self._descriptor)  # it is being used now, however long ago that began
        self.release()
        return False

    def busy(self) -> bool:
        """Whether somebody uses it. Where the file system cannot tell, nobody does."""
        descriptor = self._open(create=False)
        if descriptor is None:
            return False
        try:
            return _taken(descriptor, fcntl.LOCK_EX) is True
        finally:
            os.close(descriptor)

    def last(self) -> float | None:
        """Return when it was used last, in seconds since 1970; None where that was never recorded."""
        try:
            return self._path.stat().st_mtime
        except OSError:
            return None

    def release(self) -> None:
        """Use it no longer."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self, *, create: bool) -> int | None:
        if create:
            with suppress(OSError):
                self._path.parent.mkdir(mode=0o755, exist_ok=True)
                return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        # A read-only disk still has locks, between those who see the same file.
        with suppress(OSError):
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        return None


held: dict[Path, Use] = {}
"""What this process uses, by where the artifact lies."""


def hold(artifact: Path, use: Use) -> None:
    """Have this process use an artifact until it ends; once more where it does already, which is a newer use."""
    held.setdefault(artifact, use).hold()


def _taken(descriptor: int, kind: int) -> bool | None:
    """Take a lock; whether somebody else has it, None where the file system has no locks."""
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    return False
