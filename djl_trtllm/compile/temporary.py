"""A cache directory that lives as long as its process, for models that are not to be kept or cannot be."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from djl_trtllm.compile.disk import UNCACHED
from djl_trtllm.compile.store import Store
from djl_trtllm.lock import Lock

_MOMENT = 60.0
_alive: list[Lock] = []


def store() -> Store:
    """Make a store among the temporary files, and remove those of processes that were killed. Raises OSError."""
    _sweep()
    root = Path(tempfile.mkdtemp(prefix=UNCACHED))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    try:
        lock = Lock(root / "alive")
        lock.acquire()
    except OSError:
        shutil.rmtree(root, ignore_errors=True)
        raise
    _alive.append(lock)
    return Store(root)


def _sweep() -> None:
    for old in Path(tempfile.gettempdir()).glob(f"{UNCACHED}*"):
        with suppress(OSError):
            alive = Lock(old / "alive")
            # One made a moment ago may not have its lock yet.
            if time.time() - old.stat().st_mtime > _MOMENT and alive.acquire():
                shutil.rmtree(old, ignore_errors=True)
                alive.release()
