"""R12: SIGTERM under load. Of the local front, over DJL's real engine and OpenVINO's: requests that run, long ones that
cannot finish in the grace and short ones that can, requests that wait, and requests that come while it ends. And of
ranks under a real mpirun, which leaves them half a second.
"""

from __future__ import annotations

import json
import signal
import statistics
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from chaos.figure import Bar, Figure, at_least, at_most, exactly
from chaos.scale import Scale
from djl_trtllm.local import processes
from tests.support import rank_jobs
from tests.support.engine_child import engine_child, slowed
from tests.support.http_client import Reply, lmi, post
from tests.support.model_dirs import tiny_model
from tests.support.mpi_jobs import Place, ends_after, ranks_of
from tests.support.server import Server, serve

RUNNING, WAITING = 24, 16
GRACE = (15, 2)
"""Seconds in full, which is the default, and in quick."""
EVERY = 0.1
"""Seconds between two requests that come while the server ends."""
RANK_ROUNDS = (5, 2)
JOINED = 60.0
FAULT = "SIGTERM to the local front under load"


@dataclass
class Ended:
    """What became of everybody."""

    told: list[bool] = field(default_factory=list)
    late: list[bool] = field(default_factory=list)
    seconds: float = 0.0
    code: int = -1
    left: int = 0


def run(scale: Scale) -> list[Figure]:
    """End a server under load, and ranks; return what was told, refused, and how long it took."""
    ended = _drained(scale.of(*GRACE))
    figures = [
        at_least("R12.in_flight_told", FAULT, _share(ended.told), 100, "%", f"{len(ended.told)} requests"),
        at_least("R12.new_refused", FAULT, _share(ended.late), 100, "%", f"{len(ended.late)} with 503"),
        at_most("R12.exit", FAULT, ended.seconds, 25, "s", f"exit code {ended.code}"),
        exactly("R12.processes_left", FAULT, ended.left, 0, ""),
    ]
    waiting = [second for _ in range(scale.of(*RANK_ROUNDS)) for second in _ranks_that_wait()]
    figures.append(_end_of_ranks("rank_end", "SIGTERM to ranks that work", waiting))
    if scale is Scale.FULL:
        seconds, told = [], []
        for djl in ("0.34.0", "0.25.0"):
            took, heard = _ranks_that_answer(djl)
            seconds.append(took)
            told += heard
        figures.append(_end_of_ranks("answering_rank_end", "SIGTERM to ranks that answer", seconds))
        figures.append(
            at_least(
                "R12.ranks_told", "SIGTERM to ranks that answer", _share(told), 100, "%", "DJL engine=MPI"
            )
        )
    return figures


def _share(good: list[bool]) -> float:
    return 100 * sum(good) / max(len(good), 1)


def _end_of_ranks(name: str, fault: str, seconds: list[float]) -> Figure:
    value = statistics.median(seconds)
    spread = (min(seconds), max(seconds))
    return Figure(f"R12.{name}", fault, value, "s", Bar("<=", 0.3), f"median of {len(seconds)} ends", spread)


def _drained(grace: int) -> Ended:
    ended = Ended()
    bodies = [
        lmi(f"Number {i}", max_new_tokens=900 if i % 2 else 4, ignore_eos_token=True, details=True)
        for i in range(RUNNING + WAITING)
    ]
    with tempfile.TemporaryDirectory(prefix="chaos-r12-") as root:
        model = tiny_model(
            Path(root) / "model",
            "llama",
            max_output_len=900,
            openvino_kv_cache="256MiB",
            max_rolling_batch_size=RUNNING,
        )
        arguments = ("--grace", str(grace))
        with serve(model, arguments=arguments) as server, ThreadPoolExecutor(len(bodies)) as pool:
            below = server.descendants()
            (worker,) = server.worker_pids()
            begun = threading.Semaphore(0)
            with slowed(engine_child(worker)):
                sent = [pool.submit(post, server.url, body, begun=begun.release) for body in bodies]
                for _ in range(RUNNING // 2):
                    begun.acquire(timeout=60)
                began = time.monotonic()
                server.signal()
                ended.late = _come_late(server)
                replies = [_reply(one.result) for one in sent]
                ended.code = server.wait(60)
                ended.seconds = time.monotonic() - began
            ended.told = [reply is not None and _told(reply) for reply in replies]
            ended.left = sum(processes.alive(process) for process in below)
    return ended


def _come_late(server: Server) -> list[bool]:
    """Send requests until nobody listens any more; whether each was refused as promised."""
    refused = []
    with suppress(httpx.TransportError):
        while True:
            reply = post(server.url, lmi("Too late", max_new_tokens=2), timeout=30)
            refused.append(reply.status == 503 and "retry-after" in reply.headers)
            time.sleep(EVERY)
    return refused


def _reply(result: object) -> Reply | None:
    try:
        found: Reply = result()  # type: ignore[operator]
    except httpx.TransportError:  # the connection was cut
        return None
    return found


def _told(reply: Reply) -> bool:
    """Whether a reply is whole, or says that it is not and that sending it again may help."""
    if reply.status == 503:
        return "retry-after" in reply.headers
    if reply.status != 200:
        return False
    last = json.loads(reply.text.splitlines()[-1])
    if last.get("details", {}).get("finish_reason") == "length":
        return True
    return last.get("code") == 503 and last.get("retryable") is True


def _ranks_that_wait() -> list[float]:
    """Start two ranks, let one wait for the other that is deep in a library, and end both."""
    job = rank_jobs.start("hang:1", JOINED)
    try:
        assert job.stdout is not None
        heard = 0
        for line in job.stdout:
            heard += line.split()[1:2] == ["begins"]
            if heard == rank_jobs.RANKS:
                break
        ranks = [child.pid for child in psutil.Process(job.pid).children(recursive=True) if _is_rank(child)]
        with ThreadPoolExecutor(len(ranks)) as pool:
            return list(pool.map(lambda pid: ends_after({0: pid}, signal.SIGTERM), ranks))
    finally:
        job.kill()
        job.communicate()


def _is_rank(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return "tests.support.rank" in process.cmdline() and "mpirun" not in process.name()
    return False


def _ranks_that_answer(djl: str) -> tuple[float, list[bool]]:
    """End both ranks of a model under DJL while they answer; how long it took, and who was told."""
    with tempfile.TemporaryDirectory(prefix="r12-") as root:
        place = Place(Path(root))
        mode = "trtllm" if djl == "0.34.0" else "auto"
        with place.serve(djl, rolling_batch=mode) as server, ThreadPoolExecutor(8) as pool:
            begun = threading.Semaphore(0)
            body = lmi("A stream", max_new_tokens=280, details=True)
            sent = [pool.submit(post, server.url, body, begun=begun.release) for _ in range(8)]
            for _ in sent:
                begun.acquire(timeout=60)
            took = ends_after(ranks_of(server), signal.SIGTERM)
            replies = [_reply(one.result) for one in sent]
            return took, [reply is not None and _told(reply) for reply in replies]
