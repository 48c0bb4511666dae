"""Disk errors as sentences a user can act on, and files that survive a power cut."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from djl_trtllm.errors import CompileError
from djl_trtllm.options.places import free_bytes as free_bytes
from djl_trtllm.options.places import size as size

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_ONLY = (errno.EACCES, errno.EPERM, errno.EROFS)
PURPOSE = "the directory of compiled models"


def problem(error: OSError, directory: Path) -> CompileError:
    """Turn a failed write below `directory` into an error that names the directory, the space and the option."""
    where = f"{PURPOSE} ({directory})"
    if error.errno in _FULL:
        return CompileError(
            f"There is no space left in {where}: {_free(directory)} free. Free some,"
            " or set option.cache_dir to a directory on a larger disk."
        )
    if error.errno in _READ_ONLY:
        return CompileError(
            f"Nothing can be written to {where}: {error.strerror}. Set option.cache_dir to a writable directory,"
            " or option.cache=off to compile into a temporary directory at every start."
        )
    return CompileError(
        f"Writing to {where} failed: {error.strerror or type(error).__name__}, {_free(directory)} free."
        " Check the disk, or set option.cache_dir to another one."
    )


def _free(directory: Path) -> str:
    return size(free_bytes(directory))


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
    """Flush every file and directory below `directory`, itself included, to disk."""
    for folder, _, files in os.walk(directory, topdown=False):
        for name in files:
            flush(Path(folder, name))
        flush(Path(folder))


def flush(path: Path) -> None:
    """Flush one file or directory to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
