"""R11: ten thousand requests wait in the local front, over DJL's Java engine and the echo model.

The worker is stopped while they come, so that all of them have to wait; then it goes on. Memory is that of the front,
which is also the JVM's process, and of the worker, less the bytes of the requests themselves.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence

from bench.stats import percentile
from chaos import http_clients, memory
from chaos.figure import Figure, at_least, at_most
from chaos.http_clients import Waiting
from chaos.scale import Scale
from tests.support.echo import ECHO
from tests.support.server import Server, serve

FAULT = "10,000 requests wait, and more are refused"
SLOTS = 64
PROMPT = 1_000
MOST_BYTES = 4_096
MOST_MS = 20
WARM = 300
"""Requests that are answered before anything is measured: what is made once is there then."""


def run(scale: Scale) -> list[Figure]:
    waiting, refused = scale.of(10_000, 1_500), scale.of(2_000, 300)
    http_clients.many()
    options = {"max_rolling_batch_size": SLOTS, "job_queue_size": waiting, "chunked_read_timeout": 120}
    with serve(ECHO, options=options) as server:
        (worker,) = server.worker_pids()
        _answers(_sent(server, WARM))
        with _stopped(worker):
            inside = _sent(server, SLOTS)
            time.sleep(1)
            before = memory.resident(server.pid) + memory.resident(worker)
            queued = _sent(server, waiting)
            time.sleep(2)
            bytes_ = memory.resident(server.pid) + memory.resident(worker) - before
            taken, statuses = _refused(server, refused)
        complete = _answers(inside + queued)
    each = (bytes_ - sum(one.size for _, one in queued)) / waiting
    requests = f"{waiting:,} waiting, each with {PROMPT} bytes of prompt"
    return [
        at_least("R11.accepted_complete", FAULT, 100 * complete / len(inside + queued), 100, "%", requests),
        at_least(
            "R11.refused_with_503", FAULT, 100 * statuses.count(503) / refused, 100, "%", f"{refused} more"
        ),
        at_most(
            "R11.refused_p99", FAULT, percentile(taken, 99), MOST_MS, "ms", f"{refused} more, one by one"
        ),
        at_most("R11.memory_of_one", FAULT, each, MOST_BYTES, "bytes", f"{requests}, which is not counted"),
    ]


@contextlib.contextmanager
def _stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _body(name: str) -> dict[str, object]:
    return {"items": [{"data": name}], "inputs": "x" * PROMPT}


def _sent(server: Server, count: int) -> list[tuple[str, Waiting]]:
    names = [f"answer {number}." for number in range(count)]
    return [(name, http_clients.send(server.url, _body(name))) for name in names]


def _answers(sent: Sequence[tuple[str, Waiting]]) -> int:
    """Return how many were answered, whole and with their own text."""
    complete = 0
    for name, waiting in sent:
        with contextlib.suppress(OSError):
            status, answer = waiting.answer()
            complete += status == 200 and name.encode() in answer
    return complete


def _refused(server: Server, count: int) -> tuple[list[float], list[int]]:
    """Return how many ms each took, and the statuses."""
    taken, statuses = [], []
    for number in range(count):
        begun = time.perf_counter()
        status, _ = http_clients.send(server.url, _body(f"answer {number}.")).answer()
        taken.append((time.perf_counter() - begun) * 1_000)
        statuses.append(status)
    return taken, statuses
