"""Where things are kept on this machine, and how much room there is."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path


def cache_directory(option: str | None, environ: Mapping[str, str]) -> Path:
    """Return option.cache_dir, else djl_trtllm below $DJL_CACHE_DIR, $XDG_CACHE_HOME or ~/.cache."""
    if option:
        return expanded(option).absolute()
    for name in ("DJL_CACHE_DIR", "XDG_CACHE_HOME"):
        if environ.get(name):
            return Path(environ[name]).absolute() / "djl_trtllm"
    return Path(environ.get("HOME") or Path.home()) / ".cache" / "djl_trtllm"


def expanded(name: str) -> Path:
    """Return the path that an option names. A `~user` whom nobody knows is a name like any other."""
    try:
        return Path(name).expanduser()
    except RuntimeError:
        return Path(name)


def is_directory(path: Path) -> bool:
    """Whether there is such a directory."""
    return _holds(path.is_dir)


def is_file(path: Path) -> bool:
    """Whether there is such a file."""
    return _holds(path.is_file)


def exists(path: Path) -> bool:
    """Whether there is anything of this name."""
    return _holds(path.exists)


def _holds(asked: Callable[[], bool]) -> bool:
    """Ask a path; False where its name is too long for one, for which pathlib raises."""
    try:
        return asked()
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        return False


def free_bytes(directory: Path) -> int:
    """Return the free space of the disk that holds `directory`, or would once it is made."""
    return shutil.disk_usage(next(path for path in (directory, *directory.parents) if path.is_dir())).free


def size(count: float) -> str:
    """Return a number of bytes as people write it: 3.2 GiB."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit in ("bytes", "KiB") else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
