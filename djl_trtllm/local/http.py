"""uvicorn, with what it does not offer: a reason phrase, a connection reset, a limit for heads, an end of our own.

ASGI has no place for the status line's text, and DJL-Serving puts the handler's error text there. The application
finds two functions in `scope["extensions"]`, below the names here.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator
from types import FrameType
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from djl_trtllm.local.doorway import Door, Doorway
from djl_trtllm.local.gate import Place

REASON = "djl_trtllm.reason"
RESET = "djl_trtllm.reset"
PLACE = "djl_trtllm.place"

HEAD_LIMIT = 64 * 1024
"""Bytes of a request's first line and headers; httptools has no limit of its own (0.6 to 0.8)."""

LAST_BYTES = 2
"""Seconds in which what was sent last reaches the clients, once nothing more is to be sent."""


class _ReasonTransport:
    """Stands before a connection for one write, the response's head, and puts the reason into its first line."""

    def __init__(self, cycle: Any, reason: bytes) -> None:
        self._cycle, self._inner, self._reason = cycle, cycle.transport, reason

    def write(self, head: bytes) -> None:
        self._cycle.transport = self._inner
        line, _, rest = head.partition(b"\r\n")
        self._inner.write(line[: len(b"HTTP/1.1 200 ")] + self._reason + b"\r\n" + rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _HeadTooLarge(Exception):
    """Ends the parsing of a request."""


class Protocol(HttpToolsProtocol):
    """Adds the extensions to every request's scope, and answers 431 to a head over `HEAD_LIMIT`."""

    place: Place | None = None
    _too_large = False
    _beginning = -1
    """Bytes that came of a head whose end has not come yet; -1 outside of one."""

    def data_received(self, data: bytes) -> None:
        """Called with what the connection has received."""
        super().data_received(data)
        if self._beginning >= 0:
            self._beginning += len(data)
            if self._beginning > HEAD_LIMIT:
                self._refuse()

    def on_message_begin(self) -> None:
        """Called by the parser at a request's first byte."""
        super().on_message_begin()
        self._beginning = 0

    def on_headers_complete(self) -> None:
        """Called by the parser when a request's head is there; the application's task has not run yet."""
        self._beginning = -1
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > HEAD_LIMIT:
            self._too_large = True
            raise _HeadTooLarge
        super().on_headers_complete()
        cycle = self.cycle

        def reason(text: bytes) -> None:
            cycle.transport = _ReasonTransport(cycle, text)  # type: ignore[assignment]

        def reset() -> None:
            cycle.transport.abort()

        scope: Any = cycle.scope  # uvicorn types extensions as plain data
        scope["extensions"] = {REASON: reason, RESET: reset}
        if self.place is not None:
            scope["extensions"][PLACE], self.place = self.place, None

    def send_400_response(self, msg: str) -> None:
        """Called for what cannot be parsed, and for what a callback has raised."""
        if self._too_large:
            self._refuse()
        else:
            super().send_400_response(msg)

    def _refuse(self) -> None:
        self.transport.write(
            b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        )
        self.transport.close()


class Server(uvicorn.Server):
    """Ends by SIGTERM and SIGINT: first `drain`, while it still listens and answers, then the connections.

    uvicorn closes the listening socket first and raises the signal again after its own shutdown, which ends the process
    with workers alive (0.40 to 0.54); here what follows `run` still runs. A second signal calls `hurry`.
    """

    def __init__(
        self, config: uvicorn.Config, drain: Callable[[], Awaitable[None]], hurry: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._drain, self._hurry = drain, hurry
        self.loop: asyncio.AbstractEventLoop | None = None
        self.stopping = False
        """True once the end has begun."""
        self.draining: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals while the server runs, and give the former handlers back."""
        self.loop = asyncio.get_running_loop()
        handlers = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def handle_exit(self, _sig: int, _frame: FrameType | None) -> None:
        """Begin the end; the second time, do not wait for streams."""
        if self.stopping:
            self.force_exit = True
            self._call(self._hurry)
        self.stop()

    def stop(self) -> None:
        """Begin the end; safe from any thread and from signal handlers."""
        self.stopping = True
        self._call(self._begin)

    def _call(self, what: Callable[[], None]) -> None:
        if self.loop is not None:
            # The server may have ended by itself meanwhile, and its loop with it: then there is nothing to begin.
            with contextlib.suppress(RuntimeError):
                self.loop.call_soon_threadsafe(what)

    def _begin(self) -> None:
        if self.draining is None:
            self.draining = asyncio.get_running_loop().create_task(self._end())

    async def _end(self) -> None:
        try:
            await self._drain()
        finally:
            self.should_exit = True


def server(
    app: ASGIApp, drain: Callable[[], Awaitable[None]], hurry: Callable[[], None], door: Door
) -> Server:
    """Return a server for `app`. `drain` runs on its loop when the end begins and should soon return after `hurry`.

    Connections come in by doorways of `door`; a request of theirs may have a `Place` among its extensions.
    """

    def doorway(**server: Any) -> Doorway:
        return Doorway(door, functools.partial(Protocol, **server))

    config = uvicorn.Config(
        app,
        http=cast("Any", doorway),
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=LAST_BYTES,
    )
    return Server(config, drain, hurry)


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=4096)
