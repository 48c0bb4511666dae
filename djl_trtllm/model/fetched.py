"""What was fetched from S3 and takes room in a cache directory: models, and downloads that were broken off."""

from __future__ import annotations

import logging
import shutil
import stat
from contextlib import suppress
from pathlib import Path

from djl_trtllm.lock import Lease
from djl_trtllm.model import snapshot
from djl_trtllm.model.snapshot import Snapshot

DIRECTORY = "models"
"""Where fetched models are in a cache directory, each address with a directory of its own."""

_logger = logging.getLogger(__name__)


class Fetched:
    """A model, or a part of one where a download was broken off: the next start would go on with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = f"{path.parent.name}/{path.name}"
        self.bytes = _allocated(path)
        self._snapshot = Snapshot(path) if snapshot.is_name(path.name) else None

    def last_use(self) -> float:
        """Return when a start took it last, or a byte of it arrived, in seconds since 1970."""
        if self._snapshot is not None:
            return self._snapshot.last_use()
        with suppress(OSError):
            return max(file.stat().st_mtime for file in (self.path, *self.path.iterdir()))
        return 0.0

    def remove(self, dry_run: bool) -> bool:
        """Remove it, unless a process uses or fetches it, or the file system cannot tell. Whether it went, or would."""
        lock = Lease(self.path.parent / "lock")
        try:
            if not lock.acquire() or not lock.sure:
                return False
            if not dry_run:
                _logger.info("removing the fetched model %s from the cache", self.name)
            if self._snapshot is not None:
                return self._snapshot.remove(dry_run=dry_run)
            if not dry_run:
                shutil.rmtree(self.path)
        except OSError as error:
            _logger.warning("the fetched model %s cannot be removed: %s", self.name, error.strerror)
            return False
        finally:
            lock.release()
        return True


def below(root: Path) -> list[Fetched]:
    """Return what was fetched into a cache directory; none where that has nothing of the kind."""
    found: list[Path] = []
    with suppress(OSError):
        for home in sorted((root / DIRECTORY).iterdir()):
            if home.is_dir():
                found += sorted(path for path in home.iterdir() if path.is_dir())
    return [Fetched(path) for path in found]


def _allocated(directory: Path) -> int:
    """Return the bytes that a directory takes; of a file that several snapshots share its part, of holes nothing."""
    total = 0
    for file in directory.rglob("*"):
        with suppress(OSError):
            status = file.lstat()
            if stat.S_ISREG(status.st_mode):
                total += min(status.st_size, status.st_blocks * 512) // max(1, status.st_nlink)
    return total
