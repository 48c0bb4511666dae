"""R21: the engine hangs, or a step does; the stacks are in the log soon after the limit, and everybody is told.

Three hangs. The toy engine's step sleeps for ever with its lock held, so that even its `close` hangs. OpenVINO's
process is stopped under load behind DJL's real Java engine. And a call into the engine does not come back to the loop:
nobody can answer then, and the worker ends, with the reason as its last line. DJL's /ping is Java's; what turns is the
gauge.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from unittest import mock

from chaos.figure import Figure, at_most, exactly
from chaos.scale import Scale
from djl_trtllm.engines import supervisor as supervisors
from djl_trtllm.engines.supervisor import Supervisor
from djl_trtllm.telemetry import stall
from tests.support.engine_child import engine_child, slowed
from tests.support.http_client import Reply, lmi, post
from tests.support.java_side import Client
from tests.support.loop import rig, tokenizer
from tests.support.model_dirs import tiny_model
from tests.support.server import Server, serve
from tests.support.toy_engine import ToyEngine, toy_limits

LIMIT = 2
"""option.stall_timeout, in seconds."""
ALLOWED = LIMIT + 2.0
STREAMS = 16
PATIENCE = 60.0
LONG = lmi("The licence says", max_new_tokens=900, ignore_eos_token=True, details=True)
SHORT = lmi("The licence says", max_new_tokens=5)
DUMPED = "The stacks of all threads follow"
CHILD_DUMPED = "its stacks follow"
CHILDS_OWN = "engines/openvino/loop.py"


class Sleeping(ToyEngine):
    """Sleeps in a step, its lock held, from when it is told to until the scenario is over."""

    asleep: threading.Event
    over: threading.Event

    def step(self) -> None:
        with self._lock:
            if self.asleep.is_set():
                self.over.wait()
            super().step()


def run(scale: Scale) -> list[Figure]:
    """Each hang once; in the smallest scale the toy's alone."""
    if scale is Scale.SMALLEST:
        return _toy()
    with ThreadPoolExecutor(1) as pool:  # the last one waits most of its time
        hung_call = pool.submit(_hung_call)
        return [*_toy(), *_stopped_child(), *hung_call.result()]


def _toy() -> list[Figure]:
    fault = "the toy engine's step sleeps for ever"
    Sleeping.asleep, Sleeping.over = threading.Event(), threading.Event()
    limits = toy_limits(vocab_size=tokenizer().vocab_size)
    plans = [Sleeping, ToyEngine]
    engine = Supervisor(lambda: plans.pop(0)(limits=limits, step_delay=0.001))
    dumped: list[float] = []
    dump = stall.dump_stacks

    def noted() -> None:
        dump()
        dumped.append(time.monotonic())

    try:
        with (
            mock.patch.object(stall, "dump_stacks", noted),
            mock.patch.object(supervisors, "CLOSING", 0.5),
            rig(engine, stall_timeout=str(LIMIT)) as made,
        ):
            body = {"inputs": "the sea", "parameters": {"max_new_tokens": 400}, "stream": True}
            clients = [made.java.send(body) for _ in range(STREAMS)]
            while not all(client.chunks for client in clients):
                made.java.step()
            Sleeping.asleep.set()
            begun = time.monotonic()
            made.java.run(clients)
            told = time.monotonic() - begun
            after = made.java.send({"inputs": "the sea", "parameters": {"max_new_tokens": 2}})
            made.java.run([after])
            back = time.monotonic() - begun
            stats = engine.stats()
    finally:
        Sleeping.over.set()
    untold = sum(not _retryable(client) for client in clients)
    detail = f"stall_timeout={LIMIT}, {STREAMS} streams"
    return [
        at_most("R21.toy_dump", fault, dumped[0] - begun, ALLOWED, "s", detail),
        at_most("R21.toy_told", fault, told, ALLOWED, "s", "errors for all"),
        exactly("R21.toy_untold", fault, untold, 0, "requests", f"of {STREAMS}"),
        at_most("R21.toy_back", fault, back, ALLOWED + 2, "s", "the next request answered"),
        exactly("R21.toy_stalls", fault, stats.stalls + 10 * stats.up, 11, "", "1 stall told, and up again"),
    ]


def _retryable(client: Client) -> bool:
    last = client.lines[-1]
    return last.get("error_code") == "engine_restarting" and last.get("retryable") is True


def _stopped_child() -> list[Figure]:
    """SIGSTOP to the engine's process while it streams."""
    fault = "OpenVINO's process is stopped under load"
    port = _free_port()
    options = {"stall_timeout": LIMIT, "metrics_port": port}
    with tempfile.TemporaryDirectory(prefix="chaos-") as directory:
        model = tiny_model(Path(directory, "model"), "llama", max_output_len=900, openvino_kv_cache="256MiB")
        with serve(model, options=options) as server, ThreadPoolExecutor(STREAMS) as pool:
            assert post(server.url, SHORT).status == 200
            (worker,) = server.worker_pids()
            child, begun = engine_child(worker), threading.Semaphore(0)
            with slowed(child):
                streams = [pool.submit(post, server.url, LONG, begun=begun.release) for _ in range(STREAMS)]
                assert all(begun.acquire(timeout=PATIENCE) for _ in streams)
            os.kill(child, signal.SIGSTOP)
            hung = time.monotonic()
            dumped = _wait(lambda: DUMPED in server.log_text()) - hung
            down = _wait(lambda: _gauge(port, "engine_up") == 0) - hung
            child_dumped = _wait(lambda: CHILD_DUMPED in server.log_text()) - hung
            replies = [stream.result(PATIENCE) for stream in streams]
            told = time.monotonic() - hung
            _wait(lambda: _served(server))
            back = time.monotonic() - hung
            same_worker, stalls = server.worker_pids() == [worker], _gauge(port, "engine_stalls_total")
            # Standard output and standard error reach the log in any order.
            child_stacks = CHILDS_OWN in server.log_text()
    untold = sum(not _told(reply) for reply in replies)
    detail = f"stall_timeout={LIMIT}, {STREAMS} streams through DJL"
    return [
        at_most("R21.process_dump", fault, dumped, ALLOWED, "s", detail),
        at_most(
            "R21.process_child_dump", fault, child_dumped, ALLOWED, "s", "the stopped process's own stacks"
        ),
        exactly("R21.process_child_stacks", fault, child_stacks, 1, "", "they name its loop"),
        at_most("R21.process_unready", fault, down, ALLOWED, "s", "the gauge engine_up is 0"),
        at_most("R21.process_told", fault, told, ALLOWED, "s", "the last of the errors"),
        exactly("R21.process_untold", fault, untold, 0, "requests", f"of {STREAMS}"),
        exactly(
            "R21.process_worker_kept",
            fault,
            same_worker,
            1,
            "",
            f"back after {back:.1f} s in the same worker",
        ),
        exactly("R21.process_stalls", fault, stalls, 1, "", "counted in the metrics"),
    ]


def _told(reply: Reply) -> bool:
    if reply.status != 200:
        return reply.status == 503
    last = reply.lines[-1]
    return last["code"] == 503 and last["retryable"] is True


def _served(server: Server) -> bool:
    reply = post(server.url, SHORT)
    return reply.status == 200 and bool(reply.lines[-1].get("generated_text"))


def _gauge(port: int, name: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as response:
        found = re.search(rf"^\S*{name}(?:{{.*}})? (\S+)$", response.read().decode(), re.MULTILINE)
    return float(found[1]) if found else -1.0


def _hung_call() -> list[Figure]:
    """A call that does not come back to the loop."""
    fault = "a call into the engine does not come back to the loop"
    with subprocess.Popen(
        [sys.executable, "-m", "chaos.hung_call", str(LIMIT)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = [(time.monotonic(), line.strip()) for line in process.stdout]
        code, ended = process.wait(), time.monotonic()
    hung = next(at for at, line in lines if line == "hangs")
    dumped = next((at - hung for at, line in lines if DUMPED in line), PATIENCE)
    last = lines[-1][1]
    return [
        at_most("R21.call_dump", fault, dumped, ALLOWED, "s", f"stall_timeout={LIMIT}"),
        at_most("R21.call_end", fault, ended - hung, ALLOWED + stall.END_AFTER, "s", f"exit code {code}"),
        exactly(
            "R21.call_last_line", fault, "hung" in last and "stall_timeout" in last, 1, "", "it says why"
        ),
        exactly("R21.call_exit", fault, code, 1, "exit code"),
    ]


def _wait(done: Callable[[], bool]) -> float:
    """Return when it was so, of the monotonic clock."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, f"nothing within {PATIENCE:g} s"
        time.sleep(0.05)
    return time.monotonic()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
