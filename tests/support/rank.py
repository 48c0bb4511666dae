"""One rank of a team under mpirun, for tests: `python -m tests.support.rank WHAT SECONDS`.

Prints a line `<rank> <event> <seconds since 1970>` for what happens, and ends as a worker under DJL does: the failed
load is answered, then the process lives on until something ends it.
"""

from __future__ import annotations

import logging
import os
import sys
import time

from djl_trtllm import ranks
from djl_trtllm.core import Team
from djl_trtllm.errors import OutOfMemory
from djl_trtllm.ranks import ending

BIG = bytes(3 << 20)


def said(rank: int, event: object) -> None:
    print(rank, event, time.time(), flush=True)


def work(team: Team, what: str) -> str:
    assert team.share(BIG if team.rank == 0 else None) == BIG
    team.agree()
    said(team.rank, "begins")
    name, _, where = what.partition(":")
    if where and int(where) == team.rank:
        said(team.rank, name)
        if name == "raise":
            raise OutOfMemory("Too little memory.")
        if name == "exit":
            os._exit(3)
        time.sleep(100)
    if name == "raise" and team.rank == 0:
        time.sleep(100)  # deep in a library
    team.agree()
    return "done"


def main() -> None:
    logging.basicConfig(format="%(message)s", level=logging.INFO, stream=sys.stdout)
    what, seconds = sys.argv[1], float(sys.argv[2])
    rank, _ = ranks.place(os.environ)
    if what == f"absent:{rank}":
        said(rank, "absent")
        time.sleep(100)
    if what == f"gone:{rank}":
        # Later than the other connects to mpirun: one that is killed while it does locks Open MPI 5's mpirun up.
        time.sleep(2)
        said(rank, "gone")
        os._exit(3)
    ending.end_without_mpi()
    team = ranks.join(os.environ, seconds)
    try:
        said(rank, ending.attend(team, lambda: work(team, what)))
        time.sleep(1)  # the first to end takes the others with it
    except Exception as error:
        said(rank, "answers")
        ending.end(rank, str(error))
        time.sleep(100)


if __name__ == "__main__":
    main()
