"""R22: a worker is killed again and again under DJL, and an engine breaks again and again under its supervisor.

What was compiled is compiled once: every restart is a hit. The supervisor lets the pauses between its attempts grow;
those between a worker's restarts are DJL's. A worker is killed while it answers: DJL does not start another for one
that died while idle (engine=Python, 0.25 to 0.36).
"""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import httpx

from chaos.figure import Figure, at_least, exactly
from chaos.scale import Scale
from djl_trtllm.core import Inbox
from djl_trtllm.engines.supervisor import Supervisor
from djl_trtllm.errors import LoadError
from djl_trtllm.rolling_batch.inbox import QueueInbox
from tests.support.engine_child import engine_child, slowed
from tests.support.http_client import lmi, post
from tests.support.model_dirs import tiny_model
from tests.support.server import Server, serve
from tests.support.toy_engine import ToyEngine, toy_limits

WORKERS, ENGINES = (6, 1), (4, 1)
"""Kills in full and in quick: of the worker, and of the engine's process below it."""
BACK = 90.0
GROWTH = 1.7
"""A pause is twice the one before, less what a busy machine adds to that one."""
BODY = lmi("The licence says", max_new_tokens=5)
LONG = lmi("The licence says", max_new_tokens=900, ignore_eos_token=True)


class Stillborn(ToyEngine):
    """An engine that cannot be opened."""

    def open(self, inbox: Inbox) -> None:  # noqa: ARG002
        raise LoadError("There is no memory left on the GPU.")


def run(scale: Scale) -> list[Figure]:
    """Kill and break; return what was compiled again, what came back, and how the pauses grew."""
    pauses = _pauses()
    growth = min(after / before for before, after in pairwise(pauses))
    said = ", ".join(f"{pause:.2f}" for pause in pauses)
    fault = "an engine that cannot be opened again"
    figures = [at_least("R22.pauses_grow", fault, growth, GROWTH, "times", f"pauses of {said} s")]
    kills = scale.of(*WORKERS) + scale.of(*ENGINES)
    back, compiled = _storm(scale.of(*WORKERS), scale.of(*ENGINES))
    fault = "the worker, and its engine, are killed again and again"
    return [
        *figures,
        exactly("R22.compiled_again", fault, compiled, 0, "", f"{kills} kills"),
        at_least("R22.served_again", fault, 100 * back / kills, 100, "%", f"{kills} kills"),
    ]


def _pauses() -> list[float]:
    """Seconds between the attempts to reopen an engine, after the first, which follows at once."""
    times: list[float] = []
    first = ToyEngine(limits=toy_limits())

    def make() -> ToyEngine:
        times.append(time.monotonic())
        return first if len(times) == 1 else Stillborn(limits=toy_limits())

    inbox = QueueInbox()
    supervisor = Supervisor(make)
    supervisor.open(inbox)
    first.die()
    deadline = time.monotonic() + 60
    while inbox.death is None and time.monotonic() < deadline:
        time.sleep(0.05)
    supervisor.close()
    return [after - before for before, after in pairwise(times[1:])]


def _storm(workers: int, engines: int) -> tuple[int, int]:
    """Kill each so often; how often there was an answer again, and how often the model was compiled again."""
    with tempfile.TemporaryDirectory(prefix="chaos-r22-") as root:
        model = tiny_model(
            Path(root) / "model",
            "llama",
            max_output_len=900,
            openvino_kv_cache="256MiB",
        )
        with serve(model, options={"chunked_read_timeout": 3}) as server:
            text = _answer(server)
            first, back = _misses(server), 0
            for kill in (*[_worker] * workers, *[_engine] * engines):
                back += _killed(server, kill, text)
            return back, _misses(server) - first


def _misses(server: Server) -> int:
    return sum("cache miss" in line for line in server.log_text().splitlines())


def _worker(server: Server) -> int:
    (worker,) = server.worker_pids()
    return worker


def _engine(server: Server) -> int:
    return engine_child(_worker(server))


def _killed(server: Server, who: Callable[[Server], int], text: str) -> bool:
    """Kill a process while there is a request to answer; whether there is an answer again."""
    begun = threading.Semaphore(0)
    with ThreadPoolExecutor(1) as pool, slowed(_engine(server)):
        stream = pool.submit(post, server.url, LONG, timeout=BACK, begun=begun.release)
        begun.acquire(timeout=BACK)
        os.kill(who(server), signal.SIGKILL)
        stream.exception()
    return _answers_again(server, text)


def _answers_again(server: Server, text: str) -> bool:
    deadline = time.monotonic() + BACK
    while time.monotonic() < deadline:
        with suppress(httpx.HTTPError):
            if _answer(server) == text:
                return True
        time.sleep(0.2)
    return False


def _answer(server: Server) -> str:
    reply = post(server.url, BODY, timeout=15)
    return reply.text if reply.status == 200 else ""
