"""Messages between the ranks of one executor, through mpi4py, without a core at full load while waiting.

Open MPI's own waits spin; every wait here polls and sleeps. A process that is gone is noticed by its id, so all ranks
have to be on one machine.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

TAG = 77
SHORTEST, LONGEST = 0.0001, 0.004
LOOK_EVERY = 0.2


class PeerGone(Exception):
    """A rank that a message is expected from has ended."""

    def __init__(self, rank: int) -> None:
        super().__init__(f"rank {rank} is gone")
        self.rank = rank


class Wire:
    """A communicator of its own. Made on every rank at once; waits until all have come."""

    def __init__(self, size: int) -> None:
        from mpi4py import MPI

        if size != MPI.COMM_WORLD.size:
            raise RuntimeError(f"mpi4py sees {MPI.COMM_WORLD.size} ranks, the environment {size}")
        self._comm, request = MPI.COMM_WORLD.Idup()
        pause = SHORTEST
        while not request.Test():
            time.sleep(pause)
            pause = min(LONGEST, pause * 2)
        self.rank: int = self._comm.rank
        self.size = size
        self.pids: dict[int, int] = {}
        self._sent: list[Any] = []
        for rank in self.others():
            self.send(rank, os.getpid())
        self.pids = {rank: self.receive(rank) for rank in self.others()}

    def others(self) -> list[int]:
        """Return all ranks but this one."""
        return [rank for rank in range(self.size) if rank != self.rank]

    def send(self, rank: int, message: object) -> None:
        """Send without waiting."""
        self._sent = [request for request in self._sent if not request.Test()]
        self._sent.append(self._comm.isend(message, dest=rank, tag=TAG))

    def receive(self, rank: int) -> Any:
        """Wait for the next message of a rank. Raises `PeerGone`."""
        pause, looked = SHORTEST, time.monotonic()
        while not self._comm.iprobe(source=rank, tag=TAG):
            time.sleep(pause)
            pause = min(LONGEST, pause * 1.3)
            if time.monotonic() - looked > LOOK_EVERY:
                looked = time.monotonic()
                if not alive(self.pids.get(rank)) and not self._comm.iprobe(source=rank, tag=TAG):
                    raise PeerGone(rank)
        return self._comm.recv(source=rank, tag=TAG)


def alive(pid: int | None) -> bool:
    """Whether a process runs; True where its id is not known yet."""
    if pid is None:
        return True
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False
