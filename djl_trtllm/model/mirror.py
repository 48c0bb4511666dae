"""Directories that follow S3 prefixes: listed anew at every start, and only what changed is fetched.

    <name>-<digest>/          one address
        lock                  held while it is listed and fetched
        incoming/             objects on their way, and those of a download that was broken off
        latest                the name of the last snapshot
        <snapshot>/           the files of one listing (snapshot.py)

A listing that changed makes a new snapshot; unchanged files are hard links. Others go once no process uses them.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from blake3 import blake3

from djl_trtllm.core import Progress
from djl_trtllm.errors import ModelNotFound
from djl_trtllm.lock import Lease
from djl_trtllm.model import room, snapshot
from djl_trtllm.model.snapshot import Snapshot, has_size, write
from djl_trtllm.s3.address import Address, is_safe
from djl_trtllm.s3.client import Client, Object
from djl_trtllm.s3.errors import Unreachable

Choice = Callable[[Collection[str]], Sequence[str]]
"""From all names below an address to those of the files that are needed; it may refuse with a `LoadError`."""

_LOOK_EVERY = 0.3
_REMEDY = "set option.cache_dir to a directory on a larger disk"
_logger = logging.getLogger(__name__)


class Mirror:
    """What is kept of one address below `root`; `purpose` keeps apart what is chosen of it for different uses."""

    def __init__(self, address: Address, root: Path, purpose: str) -> None:
        self._address = address
        name = re.sub(r"[^A-Za-z0-9._-]", "-", f"{address.bucket}/{address.prefix}".rpartition("/")[2])[:60]
        self._home = root / f"{name or 'bucket'}-{_digest(str(address), purpose)}"
        self._incoming = self._home / "incoming"

    def follow(self, client: Client, choose: Choice, progress: Progress) -> Path:
        """Return a directory with the chosen files as they are in S3 now; it stays while this process lives.

        Where S3 cannot be reached, what was fetched last is used, with a warning. Raises `S3Error` otherwise,
        OSError for the disk, `ModelNotFound` where it has no room, and what `choose` raises.
        """
        with suppress(FileExistsError):
            self._home.mkdir(mode=0o755, parents=True)
        _check_owner(self._home)
        with self._alone(progress):
            try:
                listed = client.listing(self._address)
            except Unreachable as error:
                return _held(self._last(error))
            names = choose([item.name for item in listed if is_safe(item.name)])
            wanted = [item for item in listed if item.name in set(names)]
            name = _digest(*(f"{item.name}\0{item.size}\0{item.etag}" for item in wanted))
            now = Snapshot(self._home / name)
            if not now.is_whole(wanted):
                self._fetch(client, now, wanted, progress)
            self._note(name)
            self._prune(now)
            return _held(now)

    @contextmanager
    def _alone(self, progress: Progress) -> Iterator[None]:
        lock = Lease(self._home / "lock")
        while not lock.acquire():
            progress.stage(f"waiting for another process that fetches {self._address}")
            time.sleep(_LOOK_EVERY)
        try:
            yield
        finally:
            lock.release()

    def _last(self, error: Unreachable) -> Snapshot:
        try:
            last = Snapshot(self._home / (self._home / "latest").read_text())
            whole = last.is_whole(last.objects())
        except (OSError, ValueError):
            raise error from None
        if not whole:
            raise error
        _logger.warning("%s Taking what was fetched before, which may be older than what is there.", error)
        return last

    def _fetch(self, client: Client, now: Snapshot, wanted: Sequence[Object], progress: Progress) -> None:
        """Make a snapshot, all of it or none."""
        self._incoming.mkdir(exist_ok=True)
        here = dict(self._here())
        arriving = {self._incoming / _digest(item.name, item.etag): item for item in wanted}
        for path in self._incoming.iterdir():
            if path.with_suffix("") not in arriving:
                path.unlink()
        missing = {
            target: item
            for target, item in arriving.items()
            if (item.size, item.etag) not in here and not has_size(target, item.size)
        }
        total = sum(item.size for item in missing.values())
        arrived = sum(_allocated(target.with_name(f"{target.name}.part")) for target in missing)
        room.check(max(0, total - arrived), self._home, str(self._address), _REMEDY)
        if missing:
            client.fetch(self._address, missing, _Report(str(self._address), total, progress))
        private = self._home / f"{now.path.name}.new"
        shutil.rmtree(private, ignore_errors=True)
        for target, item in arriving.items():
            place = private / item.name
            place.parent.mkdir(parents=True, exist_ok=True)
            source = here.get((item.size, item.etag))
            if source is None:
                target.replace(place)
            else:
                _link(source, place)
        now.publish(private, wanted)
        shutil.rmtree(self._incoming, ignore_errors=True)

    def _note(self, name: str) -> None:
        latest = self._home / "latest"
        with suppress(OSError, ValueError):
            if latest.read_text() == name:
                return
        write(latest, name)

    def _here(self) -> Iterator[tuple[tuple[int, str], Path]]:
        """Yield the files of all snapshots, by size and ETag."""
        for found in snapshot.below(self._home):
            with suppress(OSError, ValueError):
                for item in found.objects():
                    if has_size(found.path / item.name, item.size):
                        yield (item.size, item.etag), found.path / item.name

    def _prune(self, kept: Snapshot) -> None:
        """Remove the other snapshots that no process uses. The lock is held, so that nobody begins to."""
        for found in snapshot.below(self._home):
            with suppress(OSError):
                if found.path != kept.path:
                    found.remove()


class _Report:
    """How far a download is, in percent of what was missing."""

    def __init__(self, origin: str, total: int, progress: Progress) -> None:
        self._stage = f"fetching {origin}"
        self._total = total
        self._progress = progress
        self._arrived = 0

    def __call__(self, count: int) -> None:
        self._arrived += count
        self._progress.stage(self._stage, 100 * self._arrived / max(1, self._total))


def _held(found: Snapshot) -> Path:
    found.hold()
    return found.path


def problem(error: OSError, root: Path) -> ModelNotFound:
    """Turn a failed write below `root`, where mirrors are, into an error that names it and the option."""
    return ModelNotFound(
        f"Models from S3 cannot be kept in {root}: {error.strerror or type(error).__name__}."
        " Set option.cache_dir to a directory that can be written and has room."
    )


def _check_owner(home: Path) -> None:
    """Refuse what others may have filled: a model can bring engines, and code where that is trusted."""
    status, mine = home.stat(), os.geteuid()
    if status.st_mode & stat.S_IWOTH or (mine and status.st_uid not in (0, mine)):
        raise ModelNotFound(
            f"{home} is not used, because others than user {mine} can write to it."
            " Remove it, or set option.cache_dir to a directory of your own."
        )


def _digest(*parts: str) -> str:
    return str(blake3(json.dumps(parts).encode()).hexdigest(8))


def _allocated(file: Path) -> int:
    """Return the bytes of a file that are on the disk; holes take none."""
    try:
        return file.stat().st_blocks * 512
    except OSError:
        return 0


def _link(source: Path, place: Path) -> None:
    try:
        os.link(source, place)
    except OSError:  # a file system without hard links
        shutil.copyfile(source, place)
