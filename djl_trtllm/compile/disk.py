"""Disk errors as sentences a user can act on, and files that survive a power cut."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from djl_trtllm.errors import CompileError
from djl_trtllm.options.places import free_bytes as free_bytes
from djl_trtllm.options.places import size as size

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
PURPOSE = "the directory of compiled models"
UNCACHED = "djl_trtllm-uncached-"
"""How the name of a temporary cache directory begins."""

_TEMPORARY = "set the environment variable TMPDIR to a directory"
_OFF = ", or option.cache=off to compile into a temporary directory at every start"


class NoRoom(CompileError):
    """The disk has too little free space for a build that has not begun."""


def problem(error: OSError, directory: Path) -> CompileError:
    """Turn a failed write below `directory` into an error that names the directory, the space and the option."""
    where, remedy = _named(directory)
    if full(error):
        return CompileError(
            f"There is no space left in {where}: {_free(directory)} free. Free some, or {remedy} on a larger disk."
        )
    if error.errno in _READ_ONLY:
        off = "" if remedy is _TEMPORARY else _OFF
        return CompileError(
            f"Nothing can be written to {where}: {error.strerror}. Change its permissions, or {remedy} that is"
            f" writable{off}."
        )
    return CompileError(
        f"Writing to {where} failed: {error.strerror or type(error).__name__}, {_free(directory)} free."
        f" Check the disk, or {remedy} on another one."
    )


def check_room(needed: int, directory: Path, what: str) -> None:
    """Refuse with `NoRoom` to begin what needs more bytes than the disk of `directory` has."""
    free = free_bytes(directory)
    if free < needed:
        where, remedy = _named(directory)
        raise NoRoom(
            f"Compiling {what} needs about {size(needed)} in {where}, and {size(free)} are free."
            f" Free some, or {remedy} on a larger disk."
        )


def full(error: OSError) -> bool:
    """Whether a write failed for want of space."""
    return error.errno in _FULL


def other_disk(directory: Path, than: Path) -> bool:
    """Whether two directories are, or would be, on different disks."""
    return _standing(directory).stat().st_dev != _standing(than).stat().st_dev


def _named(directory: Path) -> tuple[str, str]:
    """Return what to call a directory, and what sets it."""
    if any(part.startswith(UNCACHED) for part in directory.parts):
        return f"the directory of temporary files ({directory})", _TEMPORARY
    return f"{PURPOSE} ({directory})", "set option.cache_dir to a directory"


def _free(directory: Path) -> str:
    try:
        return size(free_bytes(directory))
    except OSError:
        return "an unknown number of bytes"


def _standing(directory: Path) -> Path:
    return next(path for path in (directory, *directory.parents) if os.path.isdir(path))  # noqa: PTH112 - never raises


def write(file: Path, content: bytes) -> None:
    """Write a whole file and flush it to disk."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_tree(directory: Path) -> None:
    """Flush every file and directory below `directory`, itself included, to disk, and let not everybody write them."""
    for folder, _, files in os.walk(directory, topdown=False):
        for name in files:
            flush(Path(folder, name))
        flush(Path(folder))


def flush(path: Path) -> None:
    """Flush one file or directory to disk. Nobody but its owner and group may write it from then on."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if mode & stat.S_IWOTH:
            os.fchmod(descriptor, mode & ~stat.S_IWOTH)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
