"""How a process starts ranks of its own, as DJL-Serving starts those that serve."""

from __future__ import annotations

import ctypes
import shutil
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from djl_trtllm.errors import RankError

_MPIRUN = ("--allow-run-as-root", "--bind-to", "none", "--oversubscribe")
_TAGGED = "--tag-output"
_PR_SET_PDEATHSIG = 1


def command(module: str, arguments: Sequence[str], count: int, *, tagged: bool = True) -> list[str]:
    """Return the command that runs `python -m module` as `count` ranks, without mpirun where it is one.

    `tagged` has mpirun write before every line which rank it is from.
    Raises `RankError` where mpirun is needed and is neither on PATH nor beside this Python.
    """
    python = [sys.executable, "-m", module, *arguments]
    if count == 1:
        return python
    beside = Path(sys.executable).parent / "mpirun"
    found = shutil.which("mpirun") or (str(beside) if beside.exists() else None)
    if found is None:
        raise RankError(
            f"{count} ranks need mpirun on PATH: install Open MPI, as DJL's engine=MPI needs it too."
        )
    return [found, "-np", str(count), *_MPIRUN, *([_TAGGED] if tagged else []), *python]


def end_with_parent() -> None:
    """Have mpirun, which takes its ranks along, end when who started it is killed; to be called in the child.

    Nobody would take what they make.
    """
    with suppress(OSError, AttributeError):  # Linux alone has it
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
