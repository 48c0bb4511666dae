"""Whether a cache directory can be trusted: a compiled model is code, and whoever may write it runs as this process.

Of the parents only the next one is looked at: who can exchange the directory itself is noticed by its owner.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from djl_trtllm.compile.disk import PURPOSE
from djl_trtllm.errors import CompileError

_ROOT = 0


def check(root: Path, *below: Path) -> None:
    """Refuse with `CompileError` a cache directory that others than its owner and root may fill; what is absent passes.

    None of the directories may be writable by anybody; `root` itself may where it has the sticky bit, as /tmp. `root`
    belongs to this process's user or to root. Root accepts any owner, as of a directory that a container mounts,
    unless anybody can write to `root` or beside it; then what is `below` belongs to this user or to root too.
    """
    mine = os.geteuid()
    public = _public(root) or _public(root.parent)
    for directory in (root, *below):
        status = _status(directory)
        if status is None:
            continue
        sticky = directory == root and status.st_mode & stat.S_ISVTX
        if status.st_mode & stat.S_IWOTH and not sticky:
            raise CompileError(_writable(root, directory))
        owned = status.st_uid in (_ROOT, mine)
        if not owned and (public or (directory == root and mine != _ROOT)):
            raise CompileError(_foreign(root, directory, status.st_uid, mine))


def _public(directory: Path) -> bool:
    status = _status(directory)
    return status is not None and bool(status.st_mode & stat.S_IWOTH)


def _status(directory: Path) -> os.stat_result | None:
    try:
        return directory.stat()
    except OSError:
        return None


def _writable(root: Path, directory: Path) -> str:
    return (
        f"{PURPOSE.capitalize()} ({root}) is not used, because a compiled model is code and anybody may write to"
        f" {directory}. Run chmod o-w on it, or set option.cache_dir to a directory inside it that is not there yet,"
        " or to another one."
    )


def _foreign(root: Path, directory: Path, owner: int, mine: int) -> str:
    return (
        f"{PURPOSE.capitalize()} ({root}) is not used, because a compiled model is code and {directory} belongs to"
        f" user {owner}, while this is user {mine}. Run chown {mine} on it, or set option.cache_dir to a directory of"
        " your own."
    )
