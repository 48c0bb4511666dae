"""How a repository comes to be in its place: all of it at once, or nothing that DJL-Serving or a load would take.

DJL takes a directory that exists for done (0.27 to 0.36). So it is made beside its place and renamed. Where the place
is there already, as a mounted volume is, it is made inside, deeper than anybody looks, and its parts are moved up, last
the one without which the rest is no repository.
"""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from djl_trtllm.compile import disk
from djl_trtllm.errors import CompileError
from djl_trtllm.model.engine_directory import CONFIG
from djl_trtllm.partition.layout import NAME

_LAST = (NAME, CONFIG)
_PREFIX = ".djl_trtllm-"


def publish(repository: Path, fill: Callable[[Path], None]) -> None:
    """Make a repository; `fill` fills an empty directory. Raises `LoadError`, and then there is nothing half-made."""
    try:
        there = repository.is_dir()
        repository.parent.mkdir(parents=True, exist_ok=True)
        prefix = f"{_PREFIX}{repository.name}-"
        for place in (repository.parent, repository) if there else (repository.parent,):
            _sweep(place, prefix)
        with _stage(repository if there else repository.parent, prefix) as stage:
            made = stage / "made"
            made.mkdir()
            fill(made)
            disk.flush_tree(made)
            if there:
                _replace(repository, made, stage / "old")
            else:
                made.rename(repository)
            disk.flush(repository.parent)
    except OSError as error:
        raise _problem(error, repository) from error


def _replace(repository: Path, made: Path, old: Path) -> None:
    """Move what was made up into a directory, over what is there; first away is what makes it a repository."""
    old.mkdir()
    parts = sorted(made.iterdir(), key=lambda part: part.name in _LAST)
    for part in reversed(parts):
        with suppress(FileNotFoundError):
            (repository / part.name).rename(old / part.name)
    for part in parts:
        part.rename(repository / part.name)
    disk.flush(repository)


@contextmanager
def _stage(parent: Path, prefix: str) -> Iterator[Path]:
    """Yield an empty directory in `parent` that nobody else uses, and remove it at the end."""
    stage = parent / f"{prefix}{os.getpid()}-{secrets.token_hex(4)}"
    stage.mkdir()
    held = os.open(stage, os.O_RDONLY)
    try:
        with suppress(OSError):  # a disk without locks: then nobody else removes it either
            fcntl.flock(held, fcntl.LOCK_EX)
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        os.close(held)


def _sweep(parent: Path, prefix: str) -> None:
    """Remove what those that were killed have left: their locks are gone."""
    for path in parent.iterdir():
        if not path.name.startswith(prefix):
            continue
        with suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)


def _problem(error: OSError, repository: Path) -> CompileError:
    free = disk.size(disk.free_bytes(repository))
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CompileError(
            f"There is no space left for the model repository {repository}: {free} free. Free some, or set"
            " SERVING_DOWNLOAD_DIR (for DJL's own conversion) or --trt_llm_model_repo to a directory on a larger disk."
        )
    return CompileError(
        f"The model repository {repository} cannot be written ({error.strerror or type(error).__name__}). Give"
        " --trt_llm_model_repo a directory that may be written."
    )
