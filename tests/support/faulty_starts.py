"""Starts on a disk that fails, and what they must leave behind."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from djl_trtllm.compile import disk, in_use, manifest
from djl_trtllm.compile.cache import ensure
from djl_trtllm.compile.plan import key
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.compile.store import Store
from djl_trtllm.core import CompiledModel, Progress
from djl_trtllm.ranks import Solo
from tests.support.disk_faults import FaultyDisk
from tests.support.plans import Stages, plan

CODES = {code: errno.errorcode[code] for code in (errno.ENOSPC, errno.EIO, errno.EACCES, errno.EROFS)}
BUILT = b"weights of a tiny model"


@contextmanager
def one_disk(root: Path) -> Iterator[Path]:
    """A cache directory and one for temporary files, on one disk as far as anybody can see."""
    (root / "tmp").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(in_use, "held", {})
        patch.setattr(tempfile, "tempdir", str(root / "tmp"))
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield root / "cache"
        for use in in_use.held.values():
            use.release()


def build(out: Path, progress: Progress) -> None:
    disk.write(out / "model.bin", BUILT)
    disk.write(out / "config.json", b"{}")


def start(root: Path, mode: str = "use") -> CompiledModel:
    return ensure(Recipe(plan(), build), Solo(), CacheSettings(root, mode), Stages())


def left(*roots: Path) -> list[Path]:
    return [path for root in roots if root.is_dir() for path in root.iterdir()]


def check_afterwards(root: Path, model: CompiledModel | None) -> None:
    """Nothing half-made is left, no lock is held, and the next start has its model."""
    temporary = [
        path for path in left(root.parent / "tmp") if model is None or path not in model.path.parents
    ]
    assert left(root / "building", *(path / "building" for path in temporary)) == []
    if model is not None:
        manifest.verify(model.path)
        assert (model.path / "model.bin").read_bytes() == BUILT
    for artifact in left(root / "artifacts"):
        manifest.verify(artifact)
    if (root / "locks").is_dir():
        lock = Store(root).lock(key(plan()))
        assert lock.acquire()
        lock.release()
    manifest.verify(start(root).path)
    assert start(root).hit
    assert left(root / "building") == []


def calls_of(root: Path, mode: str = "use") -> int:
    counting = FaultyDisk(root)
    with counting.mounted():
        start(root, mode)
    return counting.count
