"""Letters between ranks, over MPI. Nothing here blocks: a rank that died or hangs must never hold another one up.

The communicator is a duplicate of COMM_WORLD, because TensorRT-LLM sends on COMM_WORLD itself. Letters of one kind from
one rank arrive in the order in which they were sent.
"""

from __future__ import annotations

import enum
import faulthandler
import logging
import sys
import threading
import time
from typing import Any, Protocol

from djl_trtllm.errors import RankError

logger = logging.getLogger(__name__)

SLACK = 3.0
"""Seconds after a deadline at which a process that cannot run Python any more is ended by force."""


class Kind(enum.IntEnum):
    """What a letter is about; MPI's tag."""

    VALUE = 1
    HERE = 2
    GO = 3
    FAILURE = 4
    ASK = 5
    REPLY = 6
    PLACE = 7


class Mailbox(Protocol):
    """Sends and receives without ever waiting. Safe for several threads."""

    def send(self, to: int, kind: Kind, value: object) -> None:
        """Post a letter."""
        ...

    def poll(self, kind: Kind) -> tuple[int, object] | None:
        """Return the sender and content of the next letter of a kind that has arrived whole; None without one."""
        ...


class MpiMailbox:
    """A `Mailbox` on a communicator that nobody else uses. Contents are pickled, as between any ranks of a job."""

    def __init__(self, comm: Any) -> None:
        from mpi4py import MPI

        self._comm = comm
        self._anyone = MPI.ANY_SOURCE
        self._status = MPI.Status
        self._lock = threading.Lock()
        self._leaving: list[Any] = []
        self._arriving: dict[Kind, tuple[int, Any]] = {}

    def send(self, to: int, kind: Kind, value: object) -> None:
        """Post a letter; its bytes are kept until they have left."""
        with self._lock:
            self._leaving = [request for request in self._leaving if not request.test()[0]]
            self._leaving.append(self._comm.isend(value, to, int(kind)))

    def poll(self, kind: Kind) -> tuple[int, object] | None:
        """Return the next letter of a kind. A long one may need several polls here and some on the sender's side."""
        with self._lock:
            if self._leaving:
                self._leaving = [request for request in self._leaving if not request.test()[0]]
            if kind not in self._arriving:
                status = self._status()
                message = self._comm.improbe(self._anyone, int(kind), status)
                if message is None:
                    return None
                self._arriving[kind] = (status.Get_source(), message.irecv())
            sender, request = self._arriving[kind]
            whole, value = request.test()
            if not whole:
                return None
            del self._arriving[kind]
            return sender, value


def mpi_mailbox(rank: int, size: int, timeout: float) -> MpiMailbox:
    """Start MPI on this rank and return its mailbox. Raises `RankError` where that cannot work, or not in `timeout` s.

    MPI_Init waits for every rank and holds the interpreter's lock while it does (mpi4py 4.1, Open MPI 5.0, observed),
    so only the kernel of faulthandler can end a process that waits there for a rank that never comes.
    """
    logger.info("rank %d of %d: joining the others, at most %.0f s", rank, size, timeout)
    faulthandler.dump_traceback_later(timeout + SLACK, exit=True, file=sys.__stderr__ or sys.stderr)
    try:
        return _joined(rank, size, timeout)
    except BaseException:
        faulthandler.cancel_dump_traceback_later()
        raise


def _joined(rank: int, size: int, timeout: float) -> MpiMailbox:
    deadline = time.monotonic() + timeout
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as error:
        raise RankError(
            f"mpirun started {size} ranks, and rank {rank} cannot import mpi4py ({error}). Install it for the MPI "
            "that mpirun belongs to: pip install --no-binary mpi4py mpi4py."
        ) from error
    if size != MPI.COMM_WORLD.Get_size():
        raise RankError(
            f"mpirun started {size} ranks, but mpi4py sees {MPI.COMM_WORLD.Get_size()}: it was built for another MPI. "
            "Install it for the MPI that mpirun belongs to: pip install --force-reinstall --no-binary mpi4py mpi4py."
        )
    if MPI.Query_thread() < MPI.THREAD_MULTIPLE:
        raise RankError(
            "MPI was started without support for threads (MPI_THREAD_MULTIPLE), which ranks need."
        )
    comm, request = MPI.COMM_WORLD.Idup()
    pause = 0.001
    while not request.Test():
        if time.monotonic() > deadline:
            raise RankError(f"Rank {rank} was alone in MPI for {timeout:g} s: another rank has not joined.")
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    return MpiMailbox(comm)
