"""The local front over DJL's real engine, with a handler that does what each request says."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import resource
import socket
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from djl_trtllm.local import processes
from tests.support import echo
from tests.support.echo import ECHO, JSON, connect, items, send, start
from tests.support.server import Server, serve

pytestmark = pytest.mark.e2e

SETUPS = [("Python", "0.34.0"), ("MPI", "0.34.0"), ("Python", "0.25.0"), ("MPI", "0.25.0")]


@pytest.fixture(scope="module", params=SETUPS, ids=lambda setup: "-".join(setup))
def setup(request) -> Iterator[tuple[Server, str]]:
    engine, djl = request.param
    with serve(ECHO, engine=engine, djl=djl) as server:
        yield server, djl


@pytest.fixture(scope="module")
def small() -> Iterator[Server]:
    """Two places, one waiter, chunks within two seconds."""
    options = {"max_rolling_batch_size": 2, "job_queue_size": 1, "chunked_read_timeout": 2}
    with serve(ECHO, options=options, arguments=("--grace", "5")) as server:
        yield server


@pytest.fixture(autouse=True)
def closed_connections() -> Iterator[None]:
    yield
    echo.close_connections()


def chunks(response: http.client.HTTPResponse) -> Iterator[tuple[float, bytes]]:
    while data := response.read1():
        yield time.monotonic(), data


def test_chunks_arrive_when_the_handler_sends_them(setup):
    server, _ = setup
    texts = ["one ", "two ", "three"]
    response = send(server, {"items": [{"data": text, "delay": 0.4 * n} for n, text in enumerate(texts)]})
    got = list(chunks(response))
    assert b"".join(data for _, data in got) == b"one two three"
    assert response.headers["Transfer-Encoding"] == "chunked"
    gaps = [after - before for (before, _), (after, _) in itertools.pairwise(got)]
    assert len(gaps) == 2
    assert gaps[0] > 0.05
    assert gaps[1] > 0.3


def test_many_streams_at_once_keep_their_own_text(setup):
    server, _ = setup
    texts = [[f"{n}-{i} " for i in range(20)] for n in range(24)]
    answers: dict[int, bytes] = {}

    def one(n):
        answers[n] = send(server, items(*texts[n])).read()

    threads = [threading.Thread(target=one, args=(n,)) for n in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert answers == {n: "".join(texts[n]).encode() for n in range(24)}


def test_an_error_before_the_first_text(setup):
    server, djl = setup
    order = {"items": [{"code": 429, "error": "Slow down, please.", "headers": {"Retry-After": "7"}}]}
    response = send(server, order)
    assert json.loads(response.read()) == {"error": "Slow down, please.", "code": 429}
    if djl == "0.25.0":  # the status is lost there, and so are the headers
        assert (response.status, response.reason) == (200, "OK")
        assert response.headers["Retry-After"] is None
        assert response.headers["Content-Type"] == "application/json"
    else:
        assert (response.status, response.reason) == (429, "Slow down, please.")
        assert response.headers["Retry-After"] == "7"
        assert response.headers["Connection"] == "close"


def test_headers_of_the_handler_and_of_the_request(setup):
    server, djl = setup
    headers = {
        **JSON,
        "X-Request-Id": "abc",
        "X-Mine": "m",
        "X-Amzn-SageMaker-Custom-Attributes": "colour=blue; size=3",
    }
    response = send(server, {}, headers=headers)
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Request-Id"] == "abc"
    assert response.headers["Content-Length"] is not None
    seen = json.loads(response.read())["headers"]
    assert (seen["x-mine"], seen["colour"], seen["size"]) == ("m", "blue", "3")
    assert seen["content-type"] == "application/json"
    if djl != "0.25.0":
        order = {
            "items": [{"data": "a", "headers": {"X-First": "1", "Content-Type": "text/odd"}}, {"data": "b"}]
        }
        response = send(server, order)
        assert (response.headers["X-First"], response.headers["Content-Type"]) == ("1", "text/odd")
        assert response.read() == b"ab"


def test_a_handler_that_raises_fails_the_batch_and_lives(setup):
    server, djl = setup
    workers = server.worker_pids()
    response = send(server, {"raise": "nobody should see this"})
    body = response.read()
    assert response.status == (200 if djl == "0.25.0" else 424)
    assert json.loads(body)["code"] == 424
    assert b"nobody" not in body
    assert send(server, items("fine")).read() == b"fine"
    assert server.worker_pids() == workers


def test_paths(setup):
    server, _ = setup
    for path in (
        "/invocations",
        "/predictions/model",
        "/models/model/invoke",
        "/v1/chat/completions",
        "/v1/completions",
    ):
        assert send(server, items("x"), path=path).read() == b"x"
    assert send(server, items("x"), method="PUT").read() == b"x"
    unknown = send(server, items("x"), path="/predictions/other")
    assert (unknown.status, json.loads(unknown.read())["type"]) == (404, "ModelNotFoundException")
    nowhere = send(server, b"", path="/nowhere", method="GET")
    assert (nowhere.status, json.loads(nowhere.read())["code"]) == (404, 404)
    models = send(server, b"", path="/v1/models", method="GET")
    assert [m["id"] for m in json.loads(models.read())["data"]] == ["model"]
    assert server.ping() == {"model": {"status": "Healthy"}}


def test_bodies(setup):
    server, _ = setup
    assert json.loads(send(server, b"").read())["size"] == 0
    assert json.loads(send(server, b"{not json").read())["body"] == "{not json"
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert json.loads(send(server, b'{"inputs": "x"}', headers=form).read())["size"] == 0
    big = json.dumps({"padding": "x" * (21 * 2**20)}).encode()
    assert json.loads(send(server, big).read())["size"] == len(big)


def test_a_body_over_the_limit_is_refused_before_it_is_read(small):
    connection = connect(small)
    connection.putrequest("POST", "/invocations")
    connection.putheader("Content-Length", str(64 * 2**20 + 1))
    connection.endheaders()
    response = connection.getresponse()
    assert response.status == 413
    assert json.loads(response.read())["code"] == 413
    connection = connect(small)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.request("POST", "/invocations", iter([b"x" * 2**20] * 66), encode_chunked=True)
    assert connection.getresponse().status == 413


def test_a_full_queue_is_503_and_empties_again(small):
    running = [start(small, items("a", "b", "c", "d", "e", delay=0.5)) for _ in range(2)]
    time.sleep(0.2)
    waiting = start(small, items("waited"))
    time.sleep(0.2)
    begin = time.monotonic()
    refused = send(small, items("c"))
    assert time.monotonic() - begin < 1.5
    assert (refused.status, json.loads(refused.read())["type"]) == (503, "WlmCapacityException")
    assert refused.headers["Retry-After"] == "1"
    assert [r.getresponse().read() for r in running] == [b"abcde", b"abcde"]
    assert waiting.getresponse().read() == b"waited"


def test_clients_that_hang_up_do_not_hold_places(small):
    for _ in range(2):
        start(small, items("a", "b", delay=0.2)).close()
    time.sleep(0.1)
    abandoned = start(small, items("never"))
    time.sleep(0.1)
    abandoned.close()
    time.sleep(0.5)
    assert send(small, items("served")).read() == b"served"


def test_a_stalled_stream_is_cut_after_the_chunk_timeout(small):
    response = send(small, {"items": [{"data": "a"}, {"data": "b", "delay": 3.5}]})
    begin = time.monotonic()
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        response.read()
    assert 1.5 < time.monotonic() - begin < 3.2
    with pytest.raises(ConnectionResetError):
        send(small, {"items": [{"data": "late", "delay": 3}]})
    time.sleep(1.5)
    assert send(small, items("fine")).read() == b"fine"


def test_a_killed_worker_comes_back(small):
    (worker,) = small.worker_pids()
    response = send(small, items("a", "b", "c", delay=0.5))
    processes.end([p for p in small.descendants() if p.pid == worker], patience=0)
    with pytest.raises((ConnectionResetError, http.client.IncompleteRead)):
        response.read()
    deadline = time.monotonic() + 20
    answer = send(small, items("again"))
    while answer.status != 200 and time.monotonic() < deadline:
        assert answer.status == 400, answer.read()
        time.sleep(0.2)
        answer = send(small, items("again"))
    assert answer.read() == b"again"
    assert small.worker_pids() != [worker]


def test_while_the_model_loads():
    with serve(ECHO, options={"load_delay": 600}, wait=False) as server:
        assert server.ping() == {"model": {"status": "Unhealthy"}}
        refused = send(server, items("x"))
        assert (refused.status, json.loads(refused.read())["type"]) == (503, "ServiceUnavailableException")
        deadline = time.monotonic() + 20
        while "echo handler loads" not in server.log_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        below = server.descendants()
        begin = time.monotonic()
        server.signal()
        assert server.wait() == 0
        assert time.monotonic() - begin < 10
        assert below
        assert not [p for p in below if processes.alive(p)]


@pytest.mark.parametrize(
    ("djl", "option", "sentences"),
    [
        (
            "0.34.0",
            {"load_error": "Option max_input_len=x is no number."},
            ["error: Option max_input_len=x is no number."],
        ),
        (
            # DJL's answer or the worker's traceback, whichever is heard first.
            "0.25.0",
            {"load_raise": "no luck"},
            [
                f"error: The worker failed while it loaded the model: {error}"
                for error in ("ValueError('no luck')", "ValueError: no luck")
            ],
        ),
    ],
)
def test_a_model_that_cannot_be_loaded(djl, option, sentences):
    with serve(ECHO, djl=djl, options=option, wait=False) as server:
        below = server.descendants()
        assert server.wait() == 1
        assert server.log_text().splitlines()[-1] in sentences
        assert not [p for p in below if processes.alive(p)]


def test_without_a_rolling_batch():
    with serve(ECHO, options={"rolling_batch": "disable"}) as server:
        threads, answers = [], []
        for n in range(8):
            threads.append(
                threading.Thread(target=lambda n=n: answers.append(send(server, f"{n}".encode()).read()))
            )
            threads[-1].start()
        for thread in threads:
            thread.join(20)
        assert sorted(answers) == [f"{n}".encode() for n in range(8)]


def test_two_servers_do_not_meet(small):
    workers = small.worker_pids()
    with serve(ECHO, name="other") as other:
        assert send(small, items("one")).read() == b"one"
        assert send(other, items("two"), path="/predictions/other").read() == b"two"
    assert small.worker_pids() == workers
    assert send(small, items("still")).read() == b"still"


@pytest.mark.parametrize("clients", [300, pytest.param(10_000, marks=pytest.mark.long)])
def test_waiting_clients_need_no_threads(clients):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    options = {"job_queue_size": clients, "max_rolling_batch_size": 4}
    with serve(ECHO, options=options) as server:
        netloc = urllib.parse.urlsplit(server.url)
        order = {"items": [{"data": "a"}, {"data": "b", "delay": 1 + clients / 1000}]}
        running = [start(server, order) for _ in range(4)]
        assert [connection.getresponse().read(1) for connection in running] == [b"a"] * 4
        before = thread_count(server)
        body = json.dumps(items("w")).encode()
        head = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        with contextlib.ExitStack() as stack:
            waiting = []
            for _ in range(clients):
                client = socket.create_connection((netloc.hostname, netloc.port), timeout=100)
                waiting.append(stack.enter_context(client))
                client.sendall(head % len(body) + body)
            assert server.ping() == {"model": {"status": "Healthy"}}
            assert thread_count(server) <= before + 4
            assert all(client.recv(1000).startswith(b"HTTP/1.1 200 OK") for client in waiting)


def thread_count(server: Server) -> int:
    return len(list(Path("/proc", str(server.pid), "task").iterdir()))
