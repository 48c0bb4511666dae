"""Which ranks' processes are gone. mpirun ends all ranks when one has died, and does not tell them which."""

from __future__ import annotations

import os
import socket
from collections.abc import Collection
from pathlib import Path

from djl_trtllm.ranks.mailbox import Kind, Mailbox


class Neighbours:
    """What rank 0 knows of the processes of the others: every other rank sends it host and process id once."""

    def __init__(self, mailbox: Mailbox, rank: int) -> None:
        self._mailbox = mailbox
        self._host = socket.gethostname()
        self._processes: dict[int, int] = {}
        if rank != 0:
            mailbox.send(0, Kind.PLACE, (self._host, os.getpid()))

    def gone(self) -> list[int]:
        """Return the ranks that ran on this machine and do not any more. Only rank 0 can tell."""
        while (letter := self._mailbox.poll(Kind.PLACE)) is not None:
            rank, place = letter
            if isinstance(place, tuple) and place[0] == self._host:
                self._processes[rank] = place[1]
        return sorted(rank for rank, process in self._processes.items() if not _runs(process))


def end_of(gone: Collection[int]) -> str:
    """Say in a sentence that mpirun ends the ranks, and which of them died before."""
    if not gone:
        return "mpirun ends this rank."
    return (
        f"{named(gone)} died without a word: a crash in a library, or the kernel has killed it because memory ran out."
        " Its last lines in the log may say more."
    )


def named(ranks: Collection[int]) -> str:
    """Return what ranks are called at the beginning of a sentence; there is at least one."""
    names = [str(rank) for rank in sorted(ranks)]
    return f"Rank {names[0]}" if len(names) == 1 else f"Ranks {', '.join(names[:-1])} and {names[-1]}"


def _runs(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2][:1]
    except OSError:
        return False
    return state not in ("Z", "X")
