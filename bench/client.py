"""Streams over HTTP, as many at once as wanted, and the moment of every token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from bench import latency

LINE_END = b"}\n"
"""Ends a token's line in jsonlines and nothing else: JSON spells its line breaks, and HTTP's come after \\r."""


def run(url: str, bodies: Sequence[bytes], tokens: int) -> dict[str, float]:
    """Send the bodies at once and return what `latency.summary` makes of their `tokens` tokens each."""
    return asyncio.run(_run(url, bodies, tokens))


async def _run(url: str, bodies: Sequence[bytes], tokens: int) -> dict[str, float]:
    begun = time.perf_counter()
    stamps = await asyncio.gather(*(_stream(url, body) for body in bodies))
    for one in stamps:
        if len(one) != tokens:
            raise AssertionError(f"a stream brought {len(one)} tokens instead of {tokens}")
    return latency.summary(begun, stamps)


async def _stream(url: str, body: bytes) -> list[float]:
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    head = f"POST /invocations HTTP/1.1\r\nHost: {where.netloc}\r\nContent-Type: application/json\r\n"
    try:
        writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
        return await _stamps(reader)
    finally:
        writer.close()
        await writer.wait_closed()


async def _stamps(reader: asyncio.StreamReader) -> list[float]:
    status = await reader.readline()
    if b" 200 " not in status:
        raise AssertionError(f"the server answered {status.decode(errors='replace').strip()}")
    await reader.readuntil(b"\r\n\r\n")
    stamps: list[float] = []
    last = b""
    while data := await reader.read(1 << 16):
        now = time.perf_counter()
        stamps += [now] * (last + data).count(LINE_END)
        last = data[-1:]
    return stamps
