"""Directories that follow S3 prefixes: listed anew at every start, and only what changed is fetched.

    <name>-<digest>/          one address
        lock                  held while it is listed and fetched
        incoming/             objects on their way, and those of a download that was broken off
        latest                the name of the last snapshot
        <snapshot>/           the files of one listing; whole, and never changed
        <snapshot>.json       size and ETag of each
        <snapshot>.used       flock(2), shared by each process that has it in use

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
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from blake3 import blake3

from djl_trtllm.core import Progress
from djl_trtllm.errors import ModelNotFound
from djl_trtllm.lock import Lease
from djl_trtllm.model import room
from djl_trtllm.s3.address import Address, is_safe
from djl_trtllm.s3.client import Client, Object
from djl_trtllm.s3.errors import Unreachable

Choice = Callable[[Collection[str]], Sequence[str]]
"""From all names below an address to those of the files that are needed; it may refuse with a `LoadError`."""

_SNAPSHOT = re.compile(r"[0-9a-f]{16}")
_LOOK_EVERY = 0.3
_REMEDY = "set option.cache_dir to a directory on a larger disk"
_in_use: dict[Path, Lease] = {}
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
                return self._kept(self._last(error))
            names = choose([item.name for item in listed if is_safe(item.name)])
            wanted = [item for item in listed if item.name in set(names)]
            snapshot = self._home / _digest(*(f"{item.name}\0{item.size}\0{item.etag}" for item in wanted))
            if not _is_whole(snapshot, wanted):
                self._fetch(client, snapshot, wanted, progress)
            self._note(snapshot)
            self._prune(snapshot)
            return self._kept(snapshot)

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

    def _last(self, error: Unreachable) -> Path:
        try:
            snapshot = self._home / (self._home / "latest").read_text()
            known = _objects(snapshot)
        except (OSError, ValueError):
            raise error from None
        if not _SNAPSHOT.fullmatch(snapshot.name) or not _is_whole(snapshot, known):
            raise error
        _logger.warning("%s Taking what was fetched before, which may be older than what is there.", error)
        return snapshot

    def _fetch(self, client: Client, snapshot: Path, wanted: Sequence[Object], progress: Progress) -> None:
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
            if (item.size, item.etag) not in here and not _has_size(target, item.size)
        }
        total = sum(item.size for item in missing.values())
        arrived = sum(_allocated(target.with_name(f"{target.name}.part")) for target in missing)
        room.check(max(0, total - arrived), self._home, str(self._address), _REMEDY)
        if missing:
            client.fetch(self._address, missing, _Report(str(self._address), total, progress))
        private = self._home / f"{snapshot.name}.new"
        shutil.rmtree(private, ignore_errors=True)
        for target, item in arriving.items():
            place = private / item.name
            place.parent.mkdir(parents=True, exist_ok=True)
            source = here.get((item.size, item.etag))
            if source is None:
                target.replace(place)
            else:
                _link(source, place)
        self._publish(private, snapshot, wanted)
        shutil.rmtree(self._incoming, ignore_errors=True)

    def _publish(self, private: Path, snapshot: Path, wanted: Sequence[Object]) -> None:
        self._remove(snapshot)
        known = {item.name: [item.size, item.etag] for item in wanted}
        _write(snapshot.with_suffix(".json"), json.dumps(known))
        private.rename(snapshot)

    def _note(self, snapshot: Path) -> None:
        latest = self._home / "latest"
        with suppress(OSError, ValueError):
            if latest.read_text() == snapshot.name:
                return
        _write(latest, snapshot.name)

    def _kept(self, snapshot: Path) -> Path:
        lease = Lease(snapshot.with_suffix(".used"))
        if snapshot not in _in_use and lease.acquire(shared=True):
            _in_use[snapshot] = lease
        return snapshot

    def _here(self) -> Iterator[tuple[tuple[int, str], Path]]:
        """Yield the files of all snapshots, by size and ETag."""
        for snapshot in self._snapshots():
            with suppress(OSError, ValueError):
                for item in _objects(snapshot):
                    if _has_size(snapshot / item.name, item.size):
                        yield (item.size, item.etag), snapshot / item.name

    def _prune(self, kept: Path) -> None:
        """Remove the other snapshots that no process uses. The lock is held, so that nobody begins to."""
        for snapshot in self._snapshots():
            lease = Lease(snapshot.with_suffix(".used"))
            with suppress(OSError):
                if snapshot != kept and snapshot not in _in_use and lease.acquire():
                    self._remove(snapshot)
                    for suffix in (".json", ".used"):
                        snapshot.with_suffix(suffix).unlink(missing_ok=True)
            lease.release()

    def _remove(self, snapshot: Path) -> None:
        away = snapshot.with_suffix(".old")
        shutil.rmtree(away, ignore_errors=True)
        with suppress(FileNotFoundError):
            snapshot.rename(away)
        shutil.rmtree(away, ignore_errors=True)

    def _snapshots(self) -> list[Path]:
        return [path for path in self._home.iterdir() if _SNAPSHOT.fullmatch(path.name) and path.is_dir()]


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


def _objects(snapshot: Path) -> list[Object]:
    """Read what a snapshot is of; ValueError where that is damaged."""
    content: Mapping[str, tuple[int, str]] = json.loads(snapshot.with_suffix(".json").read_bytes())
    try:
        return [Object(name, size, etag) for name, (size, etag) in content.items()]
    except (AttributeError, TypeError) as error:
        raise ValueError(snapshot.name) from error


def _is_whole(snapshot: Path, wanted: Sequence[Object]) -> bool:
    return snapshot.is_dir() and all(_has_size(snapshot / item.name, item.size) for item in wanted)


def _has_size(file: Path, size: int) -> bool:
    try:
        return file.stat().st_size == size
    except OSError:
        return False


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


def _write(file: Path, text: str) -> None:
    half = file.with_name(f"{file.name}.half")
    with half.open("w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    half.replace(file)
