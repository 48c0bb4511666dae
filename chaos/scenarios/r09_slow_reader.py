"""R9: one client of 64 reads a byte a second of an answer that would be megabytes; the others do not notice.

Over DJL's real engine, with a handler that gives each stream an item every few milliseconds. The runs in which the one
reads slowly alternate with runs in which it reads as fast as the others, and the ratio of their 99th percentiles is
taken pair by pair. What the front keeps for the slow one is asked of the front itself, behind a real socket.
"""

from __future__ import annotations

import asyncio
import json
import socket
import statistics
import time
from urllib.parse import urlsplit

import uvloop

from bench.stats import MIN_PAIRS, alternate, interval
from chaos.figure import Bar, Figure, at_most
from chaos.scale import Scale
from djl_trtllm.local import http
from djl_trtllm.local.engine import Part
from djl_trtllm.local.front import Front
from djl_trtllm.local.gate import Gate
from djl_trtllm.local.pump import Pump, Stream
from tests.support.echo import ECHO
from tests.support.server import serve

STREAMS = 64
ITEMS = (100, 50)
DELAY = 0.05
"""Seconds between two items of a stream."""
TEXT, BIG = 50, 40_000
"""Characters of an item, and of one of the stream that is read slowly."""
PAIRS = (11, 3)
STUDENT = {3: 4.303}
"""Half of the 95 % interval of so many values, in standard errors."""
WARM = 10
"""Items at the beginning of a stream whose gaps do not count."""
CHANGE, BUFFER = 5.0, 1.0
FAULT = "1 of 64 streams is read at 1 B/s"


def run(scale: Scale) -> list[Figure]:
    """Measure the others' inter-token latency, and what is kept for the slow one."""
    items = scale.of(*ITEMS)
    options = {"max_rolling_batch_size": STREAMS}
    with serve(ECHO, options=options) as server:
        place = urlsplit(server.url)
        port = int(place.port or 0)
        uvloop.run(_p99(port, WARM * 2, slow=False))

        def clean() -> float:
            return uvloop.run(_p99(port, items, slow=False))

        def slow() -> float:
            return uvloop.run(_p99(port, items, slow=True))

        pairs = alternate(clean, slow, scale.of(*PAIRS))
    changes = [100 * (late / early - 1) for early, late in pairs]
    p99 = statistics.median(early for early, _ in pairs)
    latency = Figure(
        "R9.others_p99_change",
        FAULT,
        statistics.median(changes),
        "%",
        Bar("<=", CHANGE),
        f"{len(pairs)} pairs; p99 {1000 * p99:.1f} ms without",
        _spread(changes),
        interval=True,
    )
    kept = uvloop.run(_kept())
    return [latency, at_most("R9.buffer", FAULT, kept / 2**20, BUFFER, "MiB", "an answer of 64 MiB")]


def _spread(changes: list[float]) -> tuple[float, float]:
    """Return the 95 % interval: by order statistics, or, of too few values for those, by Student's distribution."""
    if len(changes) >= MIN_PAIRS:
        return interval(changes)
    middle = statistics.fmean(changes)
    reach = STUDENT[len(changes)] * statistics.stdev(changes) / len(changes) ** 0.5
    return middle - reach, middle + reach


async def _p99(port: int, items: int, *, slow: bool) -> float:
    """Run all streams; the 99th percentile of the gaps of all but the last, in seconds."""
    tasks = [asyncio.ensure_future(_read(port, items)) for _ in range(STREAMS - 1)]
    last = asyncio.ensure_future(_read_slowly(port, items) if slow else _read(port, items, BIG))
    gaps = [gap for task in tasks for gap in await task]
    last.cancel()
    await asyncio.wait([last])
    return sorted(gaps)[int(0.99 * len(gaps))]


def _request(items: int, size: int) -> bytes:
    order = {"items": [{"data": "x" * size, "delay": DELAY} for _ in range(items)]}
    body = json.dumps(order).encode()
    head = "POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "
    return f"{head}{len(body)}\r\n\r\n".encode() + body


async def _read(port: int, items: int, size: int = TEXT) -> list[float]:
    """Read one answer as it comes; the seconds between its pieces."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_request(items, size))
    times: list[float] = []
    while (piece := await reader.read(1 << 20)) and not piece.endswith(b"0\r\n\r\n"):
        times.append(time.monotonic())
    writer.close()
    return [late - early for early, late in zip(times[WARM:], times[WARM + 1 :], strict=False)]


async def _read_slowly(port: int, items: int) -> None:
    """Send a request and read a byte of its answer a second, with as little room in the kernel as it gives."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        await loop.sock_connect(client, ("127.0.0.1", port))
        await loop.sock_sendall(client, _request(items, BIG))
        while await loop.sock_recv(client, 1):
            await asyncio.sleep(1)


class Long:
    """Answers at once, with parts of 64 kB, 64 MiB in all."""

    def __init__(self) -> None:
        self._left = 1024

    def predict(self, body: bytes, headers: object) -> Long:  # noqa: ARG002
        return self

    def next(self, timeout: float) -> Part:  # noqa: ARG002
        self._left -= 1
        return Part(bytes(1 << 16), self._left == 0)


async def _kept() -> float:
    """The most bytes that a front and its connection keep for a client that reads a byte a second."""
    streams: list[Stream] = []

    class Watched(Pump):
        def start(self, stream: Stream) -> None:
            streams.append(stream)
            super().start(stream)

    front = Front("model")
    front.opened(Gate(1, 1), Watched(Long(), 1, 60, asyncio.get_running_loop()))

    async def at_once() -> None:
        pass

    server = http.server(front.app, at_once, lambda: None, front.door)
    listening = http.listen("127.0.0.1", 0)
    serving = asyncio.ensure_future(server.serve(sockets=[listening]))
    reading = asyncio.ensure_future(_read_slowly(listening.getsockname()[1], 1))
    most = 0
    deadline = time.monotonic() + 3
    while time.monotonic() < deadline:
        await asyncio.sleep(0.01)
        connections = server.server_state.connections
        waiting = sum(one.transport.get_write_buffer_size() for one in connections if one.transport)
        most = max(most, waiting + sum(stream.behind for stream in streams))
    reading.cancel()
    front.cut(front.answering)
    server.stop()
    await asyncio.wait([reading, serving])
    return most
