"""The cache directory: where artifacts lie, how one is looked up, and how a private build becomes one.

    artifacts/<key>/          finished; manifest.json matches or it does not exist for us
    building/<key>.<pid>.<x>  private to the process that holds the lock of <key>
    locks/<key>               flock(2) of the builder; nothing in it
    used/<key>                shared flock(2) of those who serve it; its time is the last use
    fingerprints.json         digests of checkpoints' files

An artifact appears by one rename, so a look-up needs no lock and works on a read-only disk.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from collections.abc import Set as AbstractSet
from contextlib import suppress
from pathlib import Path

from djl_trtllm.compile import disk, manifest, trust
from djl_trtllm.compile.entry import Entry, Removed, tree_bytes
from djl_trtllm.compile.in_use import Use
from djl_trtllm.compile.manifest import Manifest, OtherFormat
from djl_trtllm.errors import ArtifactError
from djl_trtllm.lock import Lock

_logger = logging.getLogger(__name__)


class Store:
    """One cache directory. Methods that write raise OSError; `disk.problem` makes it readable."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.artifacts = root / "artifacts"
        self._building = root / "building"
        self._locks = root / "locks"
        self._used = root / "used"

    def find(self, key: str) -> Manifest | None:
        """Return the manifest of a whole artifact; None, with a warning, for one that cannot be used.

        Takes as long as its own files, whatever else lies here.
        """
        try:
            return self._whole(key)
        except ArtifactError as error:
            _logger.warning("the compiled model %s is not used: %s", key, error)
        return None

    def problem(self, key: str) -> str:
        """Say why an artifact that is there cannot be used; empty where there is none, or nothing is wrong with it."""
        try:
            self._whole(key)
        except ArtifactError as error:
            return str(error)
        return ""

    def _whole(self, key: str) -> Manifest | None:
        if not self.artifact(key).is_dir():
            return None
        found = manifest.check(self.artifact(key))
        if found.key != key:
            raise ArtifactError(f"{key} was built as {found.key}.")
        return found

    def artifact(self, key: str) -> Path:
        """Return where the artifact of a key lies, or would."""
        return self.artifacts / key

    def stamp(self, key: str) -> tuple[int, int] | None:
        """Return what changes when an artifact is published anew."""
        try:
            status = (self.artifact(key) / manifest.NAME).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def manifests(self) -> Iterator[Manifest]:
        """Yield the manifest of every artifact that has a readable one."""
        for path in self._directories():
            with suppress(ArtifactError):
                yield manifest.read(path)

    def prepare(self) -> None:
        """Make the directories, readable by all and writable by their owner, whatever the umask."""
        self.root.mkdir(mode=0o755, parents=True, exist_ok=True)
        for directory in (self.artifacts, self._building, self._locks, self._used):
            directory.mkdir(mode=0o755, exist_ok=True)

    def trusted(self, key: str) -> None:
        """Raise `CompileError` where others could have written the artifact of a key, or could write it."""
        trust.check(self.root, self.artifacts, self._building, self.artifact(key))

    def lock(self, key: str) -> Lock:
        """Return the lock of a key, not yet held."""
        return Lock(self._locks / key)

    def use(self, key: str) -> Use:
        """Return this process's use of an artifact, not yet begun."""
        return Use(self._used / key)

    def builder(self, key: str) -> str:
        """Say who builds a key now, as far as its private directory tells."""
        with suppress(OSError):
            for path in self._building.iterdir():
                if path.name.startswith(f"{key}."):
                    return f"process {path.name.split('.')[1]}"
        return "another process"

    def private(self, key: str) -> Path:
        """Make an empty directory to build in. The lock of the key must be held."""
        path = self._building / f"{key}.{os.getpid()}.{secrets.token_hex(4)}"
        path.mkdir(mode=0o755)
        return path

    def publish(self, built: Path, content: Manifest) -> Path:
        """Make a private directory the artifact of its key: flush, manifest last, rename, flush.

        An artifact of that key that is there already is replaced; whoever has it open keeps the old files.
        """
        target = self.artifact(content.key)
        disk.flush_tree(built)
        manifest.write(built, content)
        disk.flush(built)
        if target.exists():
            self.discard(content.key)
        built.rename(target)
        disk.flush(self.artifacts)
        return target

    def discard(self, key: str) -> None:
        """Remove an artifact: out of sight by one rename first, so that nobody ever sees half of it."""
        if not self.artifact(key).is_dir():
            return
        self._building.mkdir(mode=0o755, exist_ok=True)
        away = self._building / f"{key}.{os.getpid()}.{secrets.token_hex(4)}"
        with suppress(FileNotFoundError):
            self.artifact(key).rename(away)
        shutil.rmtree(away, ignore_errors=True)

    def sweep(self, own: str = "", *, dry_run: bool = False) -> list[Removed]:
        """Remove private directories whose builder has died. The lock of `own` must be held, if it is given."""
        gone: list[Removed] = []
        with suppress(OSError):
            for path in list(self._building.iterdir()):
                key = path.name.split(".")[0]
                lock = self.lock(key)
                free = lock.acquire()
                if (free and lock.sure) or (key == own and not free):
                    gone.append(Removed(path.name, tree_bytes(path), "its builder has died"))
                    if not dry_run:
                        _logger.info("removing what a builder that died has left: %s", path.name)
                        shutil.rmtree(path, ignore_errors=True)
                lock.release()
        return gone

    def entries(self) -> list[Entry]:
        """Return every artifact, the most recently used first. A directory that is not there has none."""
        found = [self._entry(path) for path in self._directories()]
        return sorted(found, key=lambda entry: (-entry.used, entry.key))

    def collect(
        self, max_bytes: int | None = None, *, keep: Collection[str] = (), dry_run: bool = False
    ) -> list[Removed]:
        """Remove what is of no use, then the least recently used artifacts until the rest is at most `max_bytes`.

        Of no use is what builders that died have left, and artifacts of which `find` takes none. Nothing that
        is in use goes, nor what `keep` names, nor anything where the file system cannot tell what is in use.
        """
        gone = self.sweep(dry_run=dry_run)
        for path in self._directories():
            problem = "" if path.name in keep else self._broken(path.name)
            if problem:
                found = Removed(path.name, tree_bytes(path), problem)
                if self._evict(path.name, dry_run=dry_run):
                    gone.append(found)
        if max_bytes is not None:
            gone += self._shrink(max_bytes, set(keep), {one.name for one in gone}, dry_run=dry_run)
        return gone

    def shrink(self, max_bytes: int, *, keep: Collection[str] = ()) -> list[Removed]:
        """Do the second half of `collect`, which reads no manifest: what a start can afford."""
        if not os.access(self.artifacts, os.W_OK):
            return []
        return self._shrink(max_bytes, set(keep), set(), dry_run=False)

    def _shrink(
        self, max_bytes: int, keep: AbstractSet[str], gone_already: AbstractSet[str], *, dry_run: bool
    ) -> list[Removed]:
        sizes = {path.name: tree_bytes(path) for path in self._directories() if path.name not in gone_already}
        total = sum(sizes.values())
        gone: list[Removed] = []
        for key in sorted(sizes.keys() - keep, key=self._last):
            if total <= max_bytes:
                break
            if self._evict(key, dry_run=dry_run):
                total -= sizes[key]
                gone.append(Removed(key, sizes[key], "least recently used"))
        return gone

    def _entry(self, path: Path) -> Entry:
        found, problem = None, ""
        try:
            found = manifest.read(path)
        except ArtifactError as error:
            problem = str(error)
        key = path.name
        return Entry(
            key, path, found, problem, tree_bytes(path), self._last(key), in_use=self.use(key).busy()
        )

    def _last(self, key: str) -> float:
        last = self.use(key).last()
        if last is None:
            with suppress(OSError):
                last = self.artifact(key).stat().st_mtime
        return last or 0.0

    def _broken(self, key: str) -> str:
        """Say what makes an artifact useless to every version of this package; empty where nothing does."""
        try:
            self._whole(key)
        except OtherFormat:
            pass
        except ArtifactError as error:
            return str(error)
        return ""

    def _evict(self, key: str, *, dry_run: bool) -> bool:
        use = self.use(key)
        if dry_run and use.last() is None:
            return True  # taking its lock would count as a first use
        if not use.alone():
            return False
        try:
            if not dry_run:
                _logger.info("removing the compiled model %s from the cache", key)
                self.discard(key)
        except OSError as error:
            _logger.warning("the compiled model %s cannot be removed: %s", key, error.strerror)
            return False
        finally:
            use.release()
        return True

    def _directories(self) -> list[Path]:
        with suppress(OSError):
            return [path for path in self.artifacts.iterdir() if path.is_dir()]
        return []
