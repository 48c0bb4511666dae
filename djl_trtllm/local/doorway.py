"""Where a connection waits for a place: with the bytes of its request, and nothing else.

An HTTP server makes a parser, a task and a dozen of objects of every request, 16 kB where it only waits. So a request
that has come whole is looked at, no more, and where there is no place it waits here in a fifth of that. Whatever is
not plain, and every later request of a connection, goes to the server at once, and waits there.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Collection
from typing import Protocol as Interface
from typing import cast

from djl_trtllm.local.gate import Closing, Gate, Place, QueueFull

_HEAD_END = b"\r\n\r\n"
_MORE = 64 * 1024
"""Bytes that may come behind a request that waits, before no more are read."""
_PLAIN = re.compile(rb"POST (\S+) HTTP/1\.1\r\n", re.ASCII)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d{1,9}) *\r\n", re.IGNORECASE)
_NOT_PLAIN = re.compile(rb"\r\n(?:expect|transfer-encoding|upgrade):", re.IGNORECASE)


class Server(Interface):
    """The server's protocol (`http.Protocol`). `place` is for the next request whose head it reads."""

    place: Place | None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Take a connection."""
        ...

    def data_received(self, data: bytes) -> None:
        """Take what came on it."""
        ...


class Door:
    """What all doorways share. `paths` are those of requests that need a place; `gate` is None while there are none."""

    def __init__(self, paths: Collection[str], largest: int) -> None:
        self.paths = frozenset(path.encode() for path in paths)
        self.largest = largest
        self.gate: Gate | None = None


class Doorway(asyncio.Protocol):
    """One connection until the server gets it, made by `make`. A waiter of the gate's."""

    __slots__ = ("_door", "_make", "_received", "_size", "_transport", "_waiting")

    def __init__(self, door: Door, make: Callable[[], Server]) -> None:
        self._door = door
        self._make = make
        self._transport: asyncio.Transport | None = None
        self._received: bytes | bytearray = b""
        self._size = 0
        self._waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        """Let go of a client that left."""
        self._transport = None
        self._received = b""
        if self._waiting and self._door.gate is not None:
            self._door.gate.forget(self)

    def data_received(self, data: bytes) -> None:
        """Look at what came; a request that is whole and plain waits for its place."""
        if self._size == 0:
            self._size = self._whole(data)
        if self._size < 0:
            self._hand_over(data)
            return
        if len(self._received) + len(data) < self._size:
            self._received = bytearray(self._received) if not self._received else self._received
            self._received += data
            return
        self._received = bytes(self._received) + data
        if self._waiting:
            if len(self._received) > self._size + _MORE and self._transport is not None:
                self._transport.pause_reading()
            return
        self._wait(self._door.gate)

    def _whole(self, data: bytes) -> int:
        """Return how many bytes a plain request has, -1 for any other."""
        plain = _PLAIN.match(data)
        end = data.find(_HEAD_END)
        if self._door.gate is None or plain is None or end < 0 or plain[1] not in self._door.paths:
            return -1
        head = data[: end + len(_HEAD_END)]
        length = _LENGTH.search(head)
        if length is None or _NOT_PLAIN.search(head) or int(length[1]) > self._door.largest:
            return -1
        return len(head) + int(length[1])

    def _wait(self, gate: Gate | None) -> None:
        try:
            if gate is None or gate.take():
                self._hand_over(b"", None if gate is None else Place(gate))
                return
            gate.wait(self)
        except (QueueFull, Closing):  # the application says so
            self._hand_over(b"")
            return
        self._waiting = True

    def done(self) -> bool:
        """Whether its turn has come, or it does not wait any more."""
        return self._transport is None or not self._waiting

    def set_result(self, result: None) -> None:  # noqa: ARG002
        """Its turn has come: a place is taken."""
        gate = self._door.gate
        self._hand_over(b"", None if gate is None else Place(gate))

    def set_exception(self, problem: BaseException) -> None:  # noqa: ARG002
        """It is turned away, by the application."""
        self._hand_over(b"")

    def _hand_over(self, data: bytes, place: Place | None = None) -> None:
        """Give the connection and what has come on it to the server, which takes the place with the request's head."""
        transport, received = self._transport, bytes(self._received) + data
        self._waiting, self._received, self._transport = False, b"", None
        if transport is None or transport.is_closing():
            if place is not None:
                place.give_back()
            return
        server = self._make()
        transport.set_protocol(cast("asyncio.BaseProtocol", server))
        server.connection_made(transport)
        transport.resume_reading()
        server.place = place
        server.data_received(received)
        unused = server.place
        if unused is not None:  # the head was refused
            server.place = None
            unused.give_back()
