"""A rank's part of a build, and how it ends: the others hear of it, and what it raised has become a `LoadError`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from djl_trtllm.compile import disk
from djl_trtllm.compile.recipe import Build
from djl_trtllm.core import Progress, Team
from djl_trtllm.errors import CompileError, LoadError

_Result = TypeVar("_Result")


def build(team: Team, work: Build, private: Path, progress: Progress) -> None:
    """Build, then agree, whatever happened: a rank that raised alone would leave the others waiting."""
    error: LoadError | None = None
    try:
        told(lambda: work(private, progress), private, "Compiling")
    except LoadError as failure:
        error = failure
    team.agree(error)


def told(work: Callable[[], _Result], private: Path, what: str) -> _Result:
    """Do a part of a build; whatever it raises becomes a `LoadError`."""
    try:
        return work()
    except LoadError:
        raise
    except OSError as failure:
        raise disk.problem(failure, private.parent.parent) from failure
    except Exception as failure:
        raise CompileError(f"{what} failed with {type(failure).__name__}: {failure}") from failure
