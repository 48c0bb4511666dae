"""The ranks of one model: who is who, what they tell each other, and how all of them end when one fails.

Where DJL starts ranks by `mpirun`, Open MPI tells each its place in the environment (OMPI_COMM_WORLD_RANK and
OMPI_COMM_WORLD_SIZE; the names DJL's engine reads too, 0.25 to 0.36).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from djl_trtllm.ranks.solo import Solo

if TYPE_CHECKING:
    from djl_trtllm.ranks.mpi_team import MpiTeam

__all__ = ["Solo", "join", "place"]


def place(environ: Mapping[str, str]) -> tuple[int, int]:
    """Return this process's rank and how many ranks there are, as Open MPI tells; (0, 1) without mpirun."""
    size = int(environ.get("OMPI_COMM_WORLD_SIZE") or 1)
    return int(environ.get("OMPI_COMM_WORLD_RANK") or 0) if size > 1 else 0, size


def join(environ: Mapping[str, str], timeout: float) -> Solo | MpiTeam:
    """Return this process's team, its first phase begun. Raises `RankError` where ranks are missing after `timeout` s.

    Call it on every rank, from the main thread, before anything else that uses MPI.
    """
    rank, size = place(environ)
    if size == 1:
        return Solo()
    from djl_trtllm.ranks.mailbox import mpi_mailbox
    from djl_trtllm.ranks.mpi_team import MpiTeam

    started = time.monotonic()
    return MpiTeam(mpi_mailbox(rank, size, timeout), rank, size, timeout, started)
