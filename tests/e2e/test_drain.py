"""The end of the local front: streams finish or are told, who comes is turned away, nothing is left."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from djl_trtllm.local import processes
from djl_trtllm.local.server import ENDING
from tests.support import echo
from tests.support.echo import ECHO, connect, items, send, start
from tests.support.engine_child import engine_child, slowed
from tests.support.http_client import lmi, post
from tests.support.model_dirs import tiny_model
from tests.support.server import Server, serve

pytestmark = pytest.mark.e2e


@pytest.fixture(autouse=True)
def closed_connections() -> Iterator[None]:
    yield
    echo.close_connections()


@pytest.mark.parametrize(
    ("engine", "ask"),
    [
        pytest.param("MPI", Server.signal, id="SIGTERM-MPI"),
        pytest.param("Python", Server.interrupt, id="Ctrl-C-Python"),
        pytest.param("MPI", Server.interrupt, id="Ctrl-C-MPI", marks=pytest.mark.long),
        pytest.param("Python", Server.signal, id="SIGTERM-Python", marks=pytest.mark.long),
    ],
)
def test_a_signal_lets_streams_finish_and_leaves_nothing(engine, ask):
    with serve(ECHO, engine=engine, options={"max_rolling_batch_size": 1}) as server:
        below = server.descendants()
        scratch = scratch_of(server)
        assert scratch.is_dir()
        response = send(server, items("a", "b", "c", "d", delay=0.3))
        waiting = start(server, items("never"))
        time.sleep(0.1)
        ask(server)
        for turned_away in (waiting.getresponse(), send(server, items("late"))):
            assert (turned_away.status, json.loads(turned_away.read())["code"]) == (503, 503)
            assert turned_away.headers["Retry-After"] == "5"
        assert server.ping() == {"model": {"status": "Unhealthy"}}
        assert response.read() == b"abcd"
        assert server.wait() == 0
        assert not [p for p in below if processes.alive(p)]
        assert not scratch.exists()
        with pytest.raises(ConnectionRefusedError):
            connect(server).connect()


def scratch_of(server: Server) -> Path:
    maps = Path("/proc", str(server.worker_pids()[0]), "cmdline").read_bytes().split(b"\0")
    socket_name = maps[maps.index(b"--sock-name") + 1].decode()
    return Path(socket_name).parents[1]


@pytest.mark.parametrize("engine", ["Python", pytest.param("MPI", marks=pytest.mark.long)])
def test_what_does_not_finish_in_time_is_told(engine):
    """By the server itself here: this handler knows nothing of signals."""
    with serve(ECHO, engine=engine, arguments=("--grace", "1")) as server:
        below = server.descendants()
        response = send(server, items(*"abcdefghij", delay=1))
        silent = start(server, items("a", delay=30))
        time.sleep(0.2)
        server.signal()
        begin = time.monotonic()
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            response.read()
        told = silent.getresponse()
        assert (told.status, told.headers["Retry-After"]) == (503, "5")
        assert server.wait() == 0
        assert time.monotonic() - begin < 1 + ENDING
        assert not [p for p in below if processes.alive(p)]


def test_a_second_signal_is_in_a_hurry():
    with serve(ECHO) as server:
        response = send(server, {"items": [{"data": "a"}, {"data": "b", "delay": 60}]})
        server.signal()
        time.sleep(0.3)
        begin = time.monotonic()
        server.signal()
        with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
            response.read()
        assert server.wait() == 0
        assert time.monotonic() - begin < ENDING


@pytest.mark.compile
@pytest.mark.parametrize("djl", ["0.34.0", pytest.param("0.25.0", marks=pytest.mark.long)])
def test_streams_that_cannot_finish_end_with_an_error_in_their_own_format(tmp_path: Path, djl: str) -> None:
    model = tiny_model(tmp_path / "model", "llama", max_output_len=900, openvino_kv_cache="256MiB")
    bodies = [
        lmi("The licence says", max_new_tokens=900, ignore_eos_token=True, details=True),
        {"model": "x", "prompt": "The", "max_tokens": 900, "ignore_eos": True, "stream": True},
    ]
    with serve(model, djl=djl, arguments=("--grace", "0.2")) as server, ThreadPoolExecutor(8) as pool:
        below = server.descendants()
        (worker,) = server.worker_pids()
        begun = threading.Semaphore(0)
        with slowed(engine_child(worker)):
            streams = [pool.submit(post, server.url, body, begun=begun.release) for body in bodies * 4]
            for _ in streams:
                assert begun.acquire(timeout=30)
            server.signal()
            replies = [stream.result() for stream in streams]
            assert server.wait() == 0
        for reply in replies[::2]:
            last = reply.lines[-1]
            assert (last["error"], last["code"]) == ("The server is stopping; send the request again.", 503)
            assert last["details"]["finish_reason"] == "error"
        for reply in replies[1::2]:
            assert reply.text.endswith("data: [DONE]\n\n")
            assert '"code":"stopping"' in reply.text
        assert not [p for p in below if processes.alive(p)]
