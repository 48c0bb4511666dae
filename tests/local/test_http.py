"""uvicorn as we run it, over a real socket."""

import asyncio
import contextlib
import http.client
import os
import signal
import socket
import threading
import time

import pytest
import uvloop

from djl_trtllm.local import http as module
from djl_trtllm.local.doorway import Door

pytestmark = pytest.mark.filterwarnings("error")


async def app(scope, receive, send):
    """Answers with the status and reason that the path asks for: /429/Slow%20down, /reset, /slow."""
    assert scope["type"] == "http"
    if scope["path"] == "/reset":
        scope["extensions"][module.RESET]()
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(0.5)
    _, status, *reason = scope["path"].split("/") if scope["path"] != "/slow" else ("", "200")
    if reason:
        scope["extensions"][module.REASON](reason[0].encode())
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": b"ok", "more_body": False})


async def at_once():
    """Nothing is left to wait for."""


@contextlib.contextmanager
def running(drain=at_once, hurry=lambda: None):
    listening = module.listen("127.0.0.1", 0)
    server = module.server(app, drain, hurry, Door((), 0))
    # capture_signals needs the main thread, so this one serves and the test talks from another.
    yield server, listening
    listening.close()


def talk(server, listening, conversation):
    """Run the server here and `conversation(port)` in a thread; return what it returned."""
    results = []

    def client():
        try:
            results.append(conversation(listening.getsockname()[1]))
        except BaseException as problem:  # carried to the test's thread
            results.append(problem)
        finally:
            server.stop()

    thread = threading.Thread(target=client)

    async def main():
        # When the server runs, and so has signals to itself.
        asyncio.get_running_loop().call_later(0.1, thread.start)
        await server.serve(sockets=[listening])

    uvloop.run(main())
    thread.join()
    if isinstance(results[0], BaseException):
        raise results[0]
    return results[0]


def get(connection, path):
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.reason, response.read()


def test_reasons_hold_for_one_response_only():
    def conversation(port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        found = [get(connection, path) for path in ("/429/Slow%20down", "/200", "/500/Odd", "/404")]
        connection.close()
        return found

    with running() as (server, listening):
        assert talk(server, listening, conversation) == [
            (429, "Slow down", b"ok"),
            (200, "OK", b"ok"),
            (500, "Odd", b"ok"),
            (404, "Not Found", b"ok"),
        ]


def heads(*pieces):
    """What a client gets for a head that is sent in pieces, until the connection ends."""

    def conversation(port):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            with contextlib.suppress(ConnectionError):  # the answer may come before all is sent
                for piece in pieces:
                    client.sendall(piece)
            answer = b""
            with contextlib.suppress(ConnectionError):
                while piece := client.recv(1000):
                    answer += piece
                    if answer.endswith(b"\r\n\r\nok"):
                        break
            return answer

    return conversation


LARGE = b"x" * (module.HEAD_LIMIT + 1)


@pytest.mark.parametrize(
    "pieces",
    [
        (b"GET /200 HTTP/1.1\r\nA: ", LARGE, b"\r\n\r\n"),
        (b"GET /200 HTTP/1.1\r\nA: " + LARGE + b"\r\n\r\n",),
        (b"GET /" + LARGE + b" HTTP/1.1\r\n\r\n",),
        (b"GET /200 HTTP/1.1\r\n", *([b"a: b\r\n" * 1000] * 12)),
    ],
    ids=["one header in pieces", "one header at once", "the path", "many headers, no end"],
)
def test_a_head_has_a_limit(pieces):
    with running() as (server, listening):
        assert talk(server, listening, heads(*pieces)).startswith(b"HTTP/1.1 431 ")


def test_a_body_counts_for_nothing_in_a_heads_limit():
    body = b"x" * (4 * module.HEAD_LIMIT)
    head = b"POST /200 HTTP/1.1\r\nHost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    with running() as (server, listening):
        assert talk(server, listening, heads(head, body)).startswith(b"HTTP/1.1 200 ")


def test_what_is_no_http_is_400():
    with running() as (server, listening):
        assert talk(server, listening, heads(b"\x00\x01\r\n\r\n")).startswith(b"HTTP/1.1 400 ")


def test_reset():
    def conversation(port):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
            client.sendall(b"GET /reset HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                return client.recv(100)
            except ConnectionResetError:
                return "reset"

    with running() as (server, listening):
        assert talk(server, listening, conversation) in ("reset", b"")


def test_a_signal_ends_the_server_and_not_the_process():
    def conversation(port):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/slow")
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGTERM)
        response = connection.getresponse()
        answer = response.status, response.read()
        connection.close()
        return answer

    former = signal.getsignal(signal.SIGTERM)
    with running() as (server, listening):
        assert talk(server, listening, conversation) == (200, b"ok")
    assert signal.getsignal(signal.SIGTERM) is former


def test_it_listens_and_answers_until_it_is_drained():
    begun, drained = threading.Event(), threading.Event()

    async def drain():
        begun.set()
        while not drained.is_set():
            await asyncio.sleep(0.01)

    def conversation(port):
        os.kill(os.getpid(), signal.SIGTERM)
        assert begun.wait(10)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        answer = get(connection, "/503/Later")
        connection.close()
        drained.set()
        return answer

    with running(drain) as (server, listening):
        assert talk(server, listening, conversation) == (503, "Later", b"ok")


def test_the_second_signal_is_in_a_hurry():
    hurried = threading.Event()

    async def drain():
        while not hurried.is_set():
            await asyncio.sleep(0.01)

    def conversation(port):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
        assert not hurried.is_set()
        os.kill(os.getpid(), signal.SIGTERM)
        return hurried.wait(10)

    with running(drain, hurried.set) as (server, listening):
        assert talk(server, listening, conversation)
        assert server.force_exit


def test_a_drain_that_fails_ends_the_server_all_the_same():
    async def drain():
        raise ValueError("a defect")

    with running(drain) as (server, listening):
        talk(server, listening, lambda port: None)
        assert str(server.draining.exception()) == "a defect"
