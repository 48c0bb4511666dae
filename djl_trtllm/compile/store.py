"""The cache directory: where artifacts lie, how one is looked up, and how a private build becomes one.

    artifacts/<key>/          finished; manifest.json matches or it does not exist for us
    building/<key>.<pid>.<x>  private to the process that holds the lock of <key>
    locks/<key>               flock(2); nothing in it
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

from djl_trtllm.compile import disk, manifest
from djl_trtllm.compile.lock import Lock
from djl_trtllm.compile.manifest import Manifest
from djl_trtllm.compile.plan import differences
from djl_trtllm.errors import ArtifactError

_logger = logging.getLogger(__name__)


class Store:
    """One cache directory. Methods that write raise OSError; `disk.problem` makes it readable."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.artifacts = root / "artifacts"
        self._building = root / "building"
        self._locks = root / "locks"

    def find(self, key: str) -> Manifest | None:
        """Return the manifest of a whole artifact; None, with a warning, for one that is damaged."""
        if not self.artifact(key).is_dir():
            return None
        try:
            found = manifest.check(self.artifact(key))
            if found.key == key:
                return found
            problem = f"it was built as {found.key}"
        except ArtifactError as error:
            problem = str(error)
        _logger.warning("the compiled model %s is not used: %s", key, problem)
        return None

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

    def nearest(self, plan: dict[str, object]) -> list[str] | None:
        """Return how the most similar artifact's plan differs; None where no artifact is of the same model.

        The same model: equal model type, and at least one input file in common.
        """
        best: list[str] | None = None
        inputs = plan["inputs"]
        if not isinstance(inputs, dict):
            raise TypeError("a plan's inputs are a mapping")
        for found in self._manifests():
            theirs = found.plan.get("inputs")
            common = isinstance(theirs, dict) and bool(theirs.items() & inputs.items())
            if found.plan.get("model_type") != plan["model_type"] or not common:
                continue
            changes = differences(found.plan, plan)
            if best is None or len(changes) < len(best):
                best = changes
        return best

    def prepare(self) -> None:
        """Make the directories, readable by all and writable by their owner."""
        for directory in (self.artifacts, self._building, self._locks):
            directory.mkdir(parents=True, exist_ok=True)

    def lock(self, key: str) -> Lock:
        """Return the lock of a key, not yet held."""
        return Lock(self._locks / key)

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
        path.mkdir()
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
        with suppress(FileNotFoundError):
            away = self._building / f"{key}.{os.getpid()}.{secrets.token_hex(4)}"
            self.artifact(key).rename(away)
            shutil.rmtree(away, ignore_errors=True)

    def sweep(self, own: str = "") -> None:
        """Remove private directories whose builder has died. The lock of `own` must be held, if it is given."""
        with suppress(OSError):
            for path in list(self._building.iterdir()):
                key = path.name.split(".")[0]
                lock = self.lock(key)
                free = lock.acquire()
                if (free and lock.sure) or (key == own and not free):
                    _logger.info("removing what a builder that died has left: %s", path.name)
                    shutil.rmtree(path, ignore_errors=True)
                lock.release()

    def _manifests(self) -> Iterator[Manifest]:
        with suppress(OSError):
            for path in self.artifacts.iterdir():
                with suppress(ArtifactError):
                    yield manifest.read(path)
