"""Joining where MPI cannot work; where it can, `test_mpirun` does it."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from djl_trtllm.errors import RankError
from djl_trtllm.ranks import mailbox


class World:
    """COMM_WORLD of an MPI that sees `size` ranks, where no other rank ever answers."""

    def __init__(self, size: int) -> None:
        self._size = size

    def Get_size(self) -> int:  # noqa: N802
        return self._size

    def Idup(self) -> tuple[object, object]:  # noqa: N802
        return object(), SimpleNamespace(Test=lambda: False)


def mpi(monkeypatch: pytest.MonkeyPatch, size: int, threads: int = 3) -> None:
    module = SimpleNamespace(COMM_WORLD=World(size), Query_thread=lambda: threads, THREAD_MULTIPLE=3)
    monkeypatch.setitem(sys.modules, "mpi4py", SimpleNamespace(MPI=module))
    monkeypatch.setitem(sys.modules, "mpi4py.MPI", module)


def test_without_mpi4py_the_fix_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    with pytest.raises(RankError, match=r"started 2 ranks, and rank 1 cannot import mpi4py .* pip install"):
        mailbox.mpi_mailbox(1, 2, 20)


def test_an_mpi4py_of_another_mpi_sees_one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    mpi(monkeypatch, size=1)
    with pytest.raises(RankError, match="started 2 ranks, but mpi4py sees 1: it was built for another MPI"):
        mailbox.mpi_mailbox(0, 2, 20)


def test_an_mpi_without_threads_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    mpi(monkeypatch, size=2, threads=1)
    with pytest.raises(RankError, match="MPI_THREAD_MULTIPLE"):
        mailbox.mpi_mailbox(0, 2, 20)


def test_a_rank_that_started_mpi_and_does_not_go_on_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mpi(monkeypatch, size=2)
    with pytest.raises(RankError, match="another rank has not joined"):
        mailbox.mpi_mailbox(0, 2, 0.1)
