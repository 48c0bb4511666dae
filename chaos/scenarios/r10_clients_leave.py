"""R10 through DJL: clients of the local front leave at random points, and nothing of them stays.

DJL tells Python of nobody who left, so their requests run to their limits (docs/troubleshooting.md says so): what is
measured is that the worker and the front hold nothing of them afterwards, and that everybody after them is served.
"""

from __future__ import annotations

import contextlib
import random
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from chaos import http_clients, objects, reporting_handler
from chaos.figure import Figure, at_most, exactly
from chaos.reporting_handler import REPORT
from chaos.scale import Scale
from tests.support.model_dirs import tiny_options
from tests.support.server import Server, serve

FAULT = "clients of the local front leave at random points"
SLOTS = 32
TOGETHER = 48
"""Clients at a time: some of them leave while they wait for a place."""
AFTER = 64
SETTLE = 10.0
"""Seconds in which the last of those who left are over."""


def run(scale: Scale) -> list[Figure]:
    leaving = scale.of(1_000, 150)
    with tempfile.TemporaryDirectory(prefix="chaos-") as scratch:
        asked = Path(scratch, "report")
        options = tiny_options("llama", max_rolling_batch_size=SLOTS)
        model = reporting_handler.model_directory(Path(scratch, "model"), options)
        with serve(model, env={REPORT: str(asked)}) as server:
            return _measure(server, asked, leaving)


def _measure(server: Server, asked: Path, leaving: int) -> list[Figure]:
    def held() -> Counter[str]:
        return reporting_handler.ask(asked, lambda: _served(server, 1))

    _leave(server, TOGETHER * 2)
    time.sleep(SETTLE)
    before, open_before = held(), _open(server)
    _leave(server, leaving)
    deadline = time.monotonic() + SETTLE
    while ((left := held() - before) or _open(server) > open_before) and time.monotonic() < deadline:
        time.sleep(0.2)
    opened = _open(server) - open_before
    served = _served(server, AFTER)
    detail = f"after {leaving} clients that left"
    return [
        exactly(
            "R10.front_worker_objects", FAULT, left.total(), 0, "objects", f"{objects.told(left)} {detail}"
        ),
        at_most("R10.front_open_files", FAULT, opened, 0, "more open files", detail),
        exactly(
            "R10.front_served_afterwards", FAULT, 100 * served / AFTER, 100, "%", f"{AFTER} requests {detail}"
        ),
    ]


def _open(server: Server) -> int:
    """Return how many files the front has open."""
    return len(list(Path("/proc", str(server.pid), "fd").iterdir()))


def _body(tokens: int) -> dict[str, object]:
    parameters = {"max_new_tokens": tokens, "ignore_eos_token": True}
    return {"inputs": "the sea is far away", "parameters": parameters, "stream": True}


def _leave(server: Server, count: int) -> None:
    """Have so many clients come and leave, and wait until the last of their requests is over."""
    with ThreadPoolExecutor(TOGETHER) as pool:
        list(pool.map(lambda number: _come_and_leave(server, number), range(count)))
    _served(server, SLOTS)  # in turn behind all that still wait


def _come_and_leave(server: Server, number: int) -> None:
    dice = random.Random(number)
    client = http_clients.send(server.url, _body(dice.randint(1, 60)))
    received, most = b"", dice.choice((0, 0, 1, 1, 2, 5, 20))
    client.connection.settimeout(http_clients.PATIENCE)
    with contextlib.suppress(OSError):
        while most > 0 and not http_clients.whole(received):
            most -= 1
            received += client.connection.recv(4096)
    client.leave(rudely=dice.random() < 0.5)


def _served(server: Server, count: int) -> int:
    """Send so many at once; return how many were answered whole."""
    answers = [client.answer() for client in [http_clients.send(server.url, _body(8)) for _ in range(count)]]
    return sum(status == 200 and answer.count(b'"token"') >= 8 for status, answer in answers)
