"""How rank 0 tells the other ranks of TensorRT-LLM 0.8 which requests to run: its manager leaves that to Python."""

from __future__ import annotations

from typing import Any

from djl_trtllm.core import Team
from djl_trtllm.errors import LoadError


class GptLink:
    """Every iteration of every rank's manager makes the same calls, in the same order; `told` waits for rank 0.

    They come from the manager's own thread while other threads use MPI too. The communicator is a duplicate, made by
    all ranks together.
    """

    def __init__(self, team: Team) -> None:
        self._comm: Any = None
        self._size = team.size
        if team.size > 1:
            from mpi4py import MPI

            if MPI.Query_thread() < MPI.THREAD_MULTIPLE:
                raise LoadError(
                    "TensorRT-LLM 0.8 on several ranks needs an MPI that several threads may use (MPI_THREAD_MULTIPLE),"
                    " and this one is not. Use one GPU, or TensorRT-LLM 0.9 or later."
                )
            self._comm = MPI.COMM_WORLD.Dup()

    def told(self, value: Any) -> Any:
        """Return rank 0's value on every rank."""
        return value if self._comm is None else self._comm.bcast(value, root=0)
