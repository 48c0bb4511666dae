"""The ranks of one model. This runtime has one; a team of one never touches MPI.

Where DJL starts ranks by `mpirun`, Open MPI tells each its place in the environment (OMPI_COMM_WORLD_RANK and
OMPI_COMM_WORLD_SIZE; the names DJL's engine reads too, 0.25 to 0.36).
"""

from __future__ import annotations

from collections.abc import Mapping

from djl_trtllm.core import Team
from djl_trtllm.errors import DjlTrtllmError, RankError


class Solo:
    """A team of one."""

    rank = 0
    size = 1

    def within(self, seconds: float) -> None:
        """Begin a phase; there is nobody to wait for."""

    def share(self, value: object, *, patient: bool = False) -> object:  # noqa: ARG002
        """Return `value`: there is nobody else."""
        return value

    def agree(self, error: DjlTrtllmError | None = None) -> None:
        """Raise `error`, if there is one."""
        if error is not None:
            raise error


def join(environ: Mapping[str, str]) -> Team:
    """Return this process's team. Raises `RankError` for more than one rank, which no runtime here can use."""
    size = int(environ.get("OMPI_COMM_WORLD_SIZE", "1"))
    if size > 1:
        raise RankError(
            f"The model was started on {size} ranks (tensor_parallel_degree times pipeline_parallel_degree), and the "
            f"openvino runtime runs on one: set option.tensor_parallel_degree=1. Several ranks need the trtllm runtime."
        )
    return Solo()
