"""A disk that fails at one chosen call: each call of `os` that changes something is counted, and one of them raises."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CALLS = ("mkdir", "open", "write", "fsync", "rename", "replace", "utime", "fchmod")
_WRITING = os.O_WRONLY | os.O_RDWR


class FaultyDisk:
    """The disk below `root`. `failing` is the number of the call that fails with `code`, 0 for none.

    From `lasting` on, every later call fails too, as on a disk that stays full or was mounted read-only.
    """

    def __init__(self, root: Path, failing: int = 0, code: int = 0, lasting: bool = False) -> None:
        self._root = str(root)
        self._failing = failing
        self._code = code
        self._lasting = lasting
        self.count = 0
        self.failed = ""

    @contextmanager
    def mounted(self) -> Iterator[None]:
        """Let it fail meanwhile."""
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(os, name, self._wrapped(name, getattr(os, name)))
            patch.setattr(fcntl, "flock", self._wrapped("flock", fcntl.flock))
            yield

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **more: Any) -> Any:
            writes = name != "open" or (len(arguments) > 1 and arguments[1] & _WRITING)
            if writes and self._here(arguments[0]):
                self.count += 1
                if self.count == self._failing or (self._lasting and 0 < self._failing < self.count):
                    self.failed = self.failed or name
                    raise OSError(self._code, os.strerror(self._code))
            return real(*arguments, **more)

        return call

    def _here(self, place: Any) -> bool:
        if isinstance(place, int):
            place = Path(f"/proc/self/fd/{place}").readlink()
        return os.fspath(place).startswith(self._root)
