"""A team of one: nobody to wait for, nobody to tell, and no MPI."""

from __future__ import annotations

from djl_trtllm.errors import DjlTrtllmError


class Solo:
    """A `Team` of one process."""

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

    def check(self) -> None:
        """Nobody else can have failed."""
