"""R3: a rank of two crashes or hangs, under a real mpirun: before it has joined, while it works, and, in full, while a
model compiles, opens and answers under DJL's engine=MPI, with TensorRT-LLM's stand-in.

The job has to end with a status that is not zero, and its log to name the rank. A crash is told at once, a hang when
the deadline of what hangs is over: option.rank_timeout while ranks join, compile and open; of a step also
option.stall_timeout, after which the engine is to be opened anew, and the seconds in which the hung one may close.
"""

from __future__ import annotations

import re
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from chaos.figure import Figure, at_least, at_most
from chaos.scale import Scale
from tests.support import rank_jobs
from tests.support.http_client import lmi, post
from tests.support.mpi_jobs import Place, gone, ranks_of, said, wait_for
from tests.support.server import Server

CRASH, LATE = 10.0, 5.0
"""Seconds until the job has ended after a crash, and after the deadline of a hang."""
DEADLINE = 8.0
LOADING, STALL, REOPENING, CLOSING = 30, 5, 25, 10
"""Seconds: rank_timeout while loading, stall_timeout, rank_timeout while serving, and what a hung engine gets to close
(engines.trtllm.executor)."""
NAMED = re.compile(
    r"Rank [01] (failed|did not answer|was not done|died without a word)|process rank 1 with PID|@\d+,1\]"
)
"""Our own words, and two ways in which mpirun names a process."""
JOINS = "rank {} of 2: joining the others"
"""What every rank says first: where one hangs before that, MPI lets no other say more than this."""


def run(scale: Scale) -> list[Figure]:
    """Crash and hang one rank after the other; return how long each job lived on."""
    ends = _under_mpirun()
    if scale is Scale.FULL:
        ends += _under_djl()
    figures = []
    for phase in dict.fromkeys(end.phase for end in ends):
        for kind, bar in (("crash", CRASH), ("hang", LATE)):
            seconds = [end.seconds for end in ends if (end.phase, end.kind) == (phase, kind)]
            if seconds:
                figures.append(_figure(phase, kind, seconds, bar))
    good = [end.code != 0 and _names_a_rank(end) for end in ends]
    unnamed = [f"{end.kind} at {end.phase}" for end, named in zip(ends, good, strict=True) if not named]
    detail = ", ".join(unnamed) or f"{len(ends)} jobs ended with a status that is not zero and named the rank"
    fault = "a rank crashes or hangs"
    return [*figures, at_least("R3.named", fault, 100 * sum(good) / len(good), 100, "%", detail)]


@dataclass(frozen=True, slots=True)
class _End:
    """How one job ended: seconds after the crash, or after the deadline of the hang."""

    phase: str
    kind: str
    seconds: float
    code: int
    text: str


def _names_a_rank(end: _End) -> bool:
    silent = JOINS.format(0) in end.text and JOINS.format(1) not in end.text
    return bool(NAMED.search(end.text)) or (end.phase == "init" and silent)


def _figure(phase: str, kind: str, seconds: list[float], bar: float) -> Figure:
    said = ", ".join(f"{each:.1f}" for each in seconds)
    after = "it" if kind == "crash" else "the deadline"
    fault = f"a rank {'crashes' if kind == 'crash' else 'hangs'} at {phase}"
    return at_most(f"R3.{kind}_at_{phase}", fault, max(seconds), bar, "s", f"{said} s after {after}")


def _under_mpirun() -> list[_End]:
    """Ranks that do nothing but what a rank does, all jobs side by side."""
    waits = {"init": ("gone:1", "absent:1"), "work": ("raise:1", "exit:1", "hang:0", "hang:1")}
    jobs = rank_jobs.run([case for cases in waits.values() for case in cases], DEADLINE, patience=120)
    ends = []
    for phase, cases in waits.items():
        for case in cases:
            what, _, rank = case.partition(":")
            job, hangs = jobs[case], what in ("absent", "hang")
            since = job.at(int(rank), "begins" if what == "hang" else what)
            late = job.ended - since - (DEADLINE if hangs else 0)
            ends.append(_End(phase, "hang" if hangs else "crash", late, job.code, job.text))
    return ends


def _under_djl() -> list[_End]:
    """A worker of two ranks on one model, which is compiled first and then found, but where it is to be compiled."""
    with tempfile.TemporaryDirectory(prefix="r3-") as root:
        place = Place(Path(root))
        with place.serve():
            pass
        ends = []
        for stage, phase in (("convert", "compile"), ("open", "open")):
            for kind, timeout in (("kill", 600), ("hang", LOADING)):
                new = {"max_input_len": 200 + len(ends)} if stage == "convert" else {}
                ends.append(_loading(place, phase, {"stage": stage, "kind": kind, "rank": 1}, timeout, **new))
        ends += [_answering(place, kind) for kind in ("kill", "hang")]
        return ends


def _loading(place: Place, phase: str, fault: Mapping[str, object], timeout: int, **new: object) -> _End:
    with place.serve(faults=[fault], wait=False, rank_timeout=timeout, **new) as server:
        wait_for("both ranks", lambda: len(server.worker_pids()) == rank_jobs.RANKS, server)
        said(server, "rank 0 of 2: joining the others")
        ranks, begun = ranks_of(server), time.time()
        crashes = fault["kind"] == "kill"
        if crashes:
            begun = wait_for("the death of rank 1", lambda: gone({1: ranks[1]}), server, 300)
        ended = wait_for("the end of both ranks", lambda: gone(ranks), server, 300)
        code = server.wait(30)
        late = ended - begun - (0 if crashes else timeout)
        return _End(phase, "crash" if crashes else "hang", late, code, server.log_text())


def _answering(place: Place, kind: str) -> _End:
    """A rank that dies or hangs in a step; requests come all the time, as a worker ends inside a call only."""
    fault = {"stage": "step", "kind": kind, "rank": 1, "after": 50}
    with place.serve(faults=[fault], stall_timeout=STALL, rank_timeout=REOPENING) as server:
        ranks, over = ranks_of(server), threading.Event()
        asking = threading.Thread(target=_ask, args=(server, over))
        asking.start()
        try:
            if kind == "kill":
                begun = wait_for("the death of rank 1", lambda: gone({1: ranks[1]}), server)
                allowed = 0.0
            else:
                begun = said(server, "The engine made no progress for") - STALL
                allowed = STALL + CLOSING + REOPENING
            ended = wait_for("the end of both ranks", lambda: gone(ranks), server, 120)
        finally:
            over.set()
            asking.join()
        # DJL starts the next job: what the old one's ended with is mpirun's to say.
        return _End(
            "step", "crash" if kind == "kill" else "hang", ended - begun - allowed, 1, server.log_text()
        )


def _ask(server: Server, over: threading.Event) -> None:
    while not over.wait(0.2):
        with suppress(httpx.TransportError):
            post(server.url, lmi("Anybody there", max_new_tokens=20), timeout=5)
