"""A killed worker and a killed engine: clients are told, nothing is compiled again."""

from __future__ import annotations

import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.support.engine_child import engine_child, slowed
from tests.support.http_client import lmi, post
from tests.support.model_dirs import tiny_model
from tests.support.server import Server, serve

pytestmark = [pytest.mark.e2e, pytest.mark.compile]

LONG = lmi("The licence says", max_new_tokens=900, ignore_eos_token=True, details=True)
SHORT = lmi("The licence says", max_new_tokens=5)


def model(directory: Path) -> Path:
    return tiny_model(directory / "model", "llama", max_output_len=900, openvino_kv_cache="256MiB")


def gone(pid: int) -> bool:
    """Whether the process has ended; one that nobody has waited for yet counts as ended."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.05)
    return False


def wait_for_answer(server: Server, seconds: float) -> str:
    deadline = time.monotonic() + seconds
    while True:
        try:
            reply = post(server.url, SHORT, timeout=10)
            if reply.status == 200 and reply.lines[-1].get("generated_text"):
                return reply.text
        except Exception:  # the connection may be cut while the worker is replaced
            pass
        assert time.monotonic() < deadline, "the server did not come back:\n" + server.log_text()[-3000:]
        time.sleep(0.2)


def test_a_killed_engine_child_costs_a_retry_and_the_worker_lives(tmp_path: Path) -> None:
    with serve(model(tmp_path)) as server, ThreadPoolExecutor(16) as pool:
        clean = wait_for_answer(server, 30)
        (worker,) = server.worker_pids()
        child, begun = engine_child(worker), threading.Semaphore(0)
        with slowed(child):
            streams = [pool.submit(post, server.url, LONG, begun=begun.release) for _ in range(16)]
            for _ in streams:
                assert begun.acquire(timeout=30)
        os.kill(child, signal.SIGKILL)
        for stream in streams:
            reply = stream.result()
            assert reply.status == 200, "each had begun to stream"
            last = reply.lines[-1]
            assert last["details"]["finish_reason"] == "error"
            assert last["code"] == 503
            assert last["retryable"] is True
        assert wait_for_answer(server, 30) == clean
        assert server.worker_pids() == [worker]


def test_a_killed_worker_comes_back_without_compiling(tmp_path: Path) -> None:
    with serve(model(tmp_path), options={"chunked_read_timeout": 3}) as server, ThreadPoolExecutor(4) as pool:
        clean = wait_for_answer(server, 30)
        (worker,) = server.worker_pids()
        child = engine_child(worker)
        begun = threading.Semaphore(0)
        with slowed(child):
            streams = [pool.submit(post, server.url, LONG, begun=begun.release) for _ in range(4)]
            for _ in streams:
                assert begun.acquire(timeout=30)
        os.kill(worker, signal.SIGKILL)
        assert wait_for_answer(server, 60) == clean
        assert server.worker_pids() != [worker]
        assert gone(child), "the engine dies with its worker"
        assert "cache hit" in server.log_text()
        assert server.log_text().count("cache miss") <= 1
        for stream in streams:
            stream.exception()
