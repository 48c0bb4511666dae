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
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from djl_trtllm.compile import disk, manifest, trust
from djl_trtllm.compile.entry import Entry, Removed, tree_bytes
from djl_trtllm.compile.in_use import Use
from djl_trtllm.compile.manifest import Manifest
from djl_trtllm.errors import ArtifactError
from djl_trtllm.lock import Lock

Stamp = tuple[int, int]
"""Changes when an artifact is published anew."""

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
            return self.whole(key)
        except ArtifactError as error:
            _logger.warning("the compiled model %s is not used: %s", key, error)
        return None

    def problem(self, key: str) -> str:
        """Say why an artifact that is there cannot be used; empty where there is none, or nothing is wrong with it."""
        try:
            self.whole(key)
        except ArtifactError as error:
            return str(error)
        return ""

    def whole(self, key: str) -> Manifest | None:
        """Return the manifest of a whole artifact, None where none is there; `ArtifactError` says what is wrong."""
        if not self.artifact(key).is_dir():
            return None
        found = manifest.check(self.artifact(key))
        if found.key != key:
            raise ArtifactError(f"{key} was built as {found.key}.")
        return found

    def artifact(self, key: str) -> Path:
        """Return where the artifact of a key lies, or would."""
        return self.artifacts / key

    def stamp(self, key: str) -> Stamp | None:
        """Return what changes when an artifact is published anew."""
        try:
            status = (self.artifact(key) / manifest.NAME).stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def present(self) -> list[str]:
        """Return the key of every artifact, whole or not."""
        with suppress(OSError):
            return [path.name for path in self.artifacts.iterdir() if path.is_dir()]
        return []

    def manifests(self) -> Iterator[Manifest]:
        """Yield the manifest of every artifact that has a readable one."""
        for key in self.present():
            with suppress(ArtifactError):
                yield manifest.read(self.artifact(key))

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
        found = [self._entry(key) for key in self.present()]
        return sorted(found, key=lambda entry: (-entry.used, entry.key))

    def _entry(self, key: str) -> Entry:
        path, found, problem = self.artifact(key), None, ""
        try:
            found = manifest.read(path)
        except ArtifactError as error:
            problem = str(error)
        used, in_use = self.last_use(key), self.use(key).busy()
        return Entry(key, path, found, problem, tree_bytes(path), used, in_use=in_use)

    def last_use(self, key: str) -> float:
        """Return when an artifact was taken last, or published, in seconds since 1970."""
        last = self.use(key).last()
        if last is None:
            with suppress(OSError):
                last = self.artifact(key).stat().st_mtime
        return last or 0.0
