"""Where a server keeps things: a scratch directory that is gone at its end, a cache that stays."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from djl_trtllm.errors import LoadError

PREFIX = "djl-trtllm-"
LONGEST_SCRATCH_PARENT = 60
"""A Unix socket's path holds 107 bytes, and DJL, Open MPI and PMIx put theirs below the scratch directory."""


def cache_root(environ: Mapping[str, str]) -> Path:
    """Return the directory for what later starts use again: below DJL_CACHE_DIR, else the user's cache directory."""
    if djl := environ.get("DJL_CACHE_DIR"):
        return Path(djl) / "djl_trtllm"
    if xdg := environ.get("XDG_CACHE_HOME"):
        return Path(xdg) / "djl_trtllm"
    return Path.home() / ".cache" / "djl_trtllm"


def check(cache: Path) -> None:
    """Raise LoadError for a cache that others can fill: jars and libraries from it run in this process."""
    mine = os.geteuid()
    for directory in (cache, cache / "jars"):
        try:
            status = directory.stat()
        except OSError:
            continue
        if status.st_mode & stat.S_IWOTH or (mine and status.st_uid not in (0, mine)):
            raise LoadError(
                f"{directory} is not used, because programs are run from there and others than user {mine} can write"
                " to it. Run chmod o-w on it, or set DJL_CACHE_DIR to a directory of your own."
            )


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Make a scratch directory, remove it at the end, and remove those of servers that were killed."""
    parent = Path(tempfile.gettempdir())
    if len(str(parent)) > LONGEST_SCRATCH_PARENT:
        parent = Path("/tmp")  # noqa: S108 # nosec B108 # mkdtemp below makes a private directory
    _remove_abandoned(parent)
    directory = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=parent))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _remove_abandoned(parent: Path) -> None:
    for directory in parent.glob(f"{PREFIX}*-*"):
        pid = directory.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not Path("/proc", pid).exists():
            shutil.rmtree(directory, ignore_errors=True)
