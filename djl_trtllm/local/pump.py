"""Threads that wait for Java on behalf of an event loop.

A thread per running stream, never per waiting client. What the threads bring goes through one outbox, which wakes the
loop once for all that has come since it last looked.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from queue import SimpleQueue
from typing import Protocol

from djl_trtllm.local.engine import Part

logger = logging.getLogger(__name__)

BEHIND = 768 << 10
"""Bytes of an answer that a client may be behind; with what its connection holds they are less than a megabyte. What it
does not read stays in Java, its place taken."""


class SlowReader(Exception):
    """A client stayed `BEHIND` for as long as it may."""


class PartSource(Protocol):
    """One answer, part by part (`engine.Answer`)."""

    def next(self, timeout: float) -> Part:
        """Return the next part; blocks."""
        ...


class Predictor(Protocol):
    """What the pump calls (`engine.Engine`)."""

    def predict(self, body: bytes, headers: Mapping[str, str]) -> PartSource:
        """Send one request; blocks."""
        ...


class Stream:
    """One answer on its way: filled by the outbox, emptied by the request's task, both on the event loop.

    `cut` is called there when the client is not waited for any more, even while the task is busy sending to it.
    """

    def __init__(self, body: bytes, headers: Mapping[str, str], done: Callable[[], None]) -> None:
        self.body, self.headers, self.done = body, headers, done
        self.cut: Callable[[], None] | None = None
        self._news: deque[Part | Exception] = deque()
        self._waiter: asyncio.Future[None] | None = None
        # Bytes that came, written by the pump's thread alone, and that were taken, by the event loop alone.
        self._came = self._taken = 0
        self._room = threading.Event()

    @property
    def behind(self) -> int:
        """Bytes that wait here for the client."""
        return self._came - self._taken

    def admit(self, size: int, patience: float) -> bool:
        """Wait until there is room for a part of `size` bytes; False when there is none after `patience` s. Blocks."""
        deadline = time.monotonic() + patience
        while self.behind and self.behind + size > BEHIND:
            self._room.clear()
            if self.behind + size > BEHIND and not self._room.wait(max(deadline - time.monotonic(), 0)):
                return False
        self._came += size
        return True

    async def next(self) -> Part:
        """Return the next part, or raise what ended the stream."""
        if not self._news:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        news = self._news.popleft()
        if isinstance(news, Exception):
            raise news
        self._taken += len(news.data)
        self._room.set()
        return news

    def deliver(self, news: Part | Exception) -> None:
        """Take what a thread brought."""
        self._news.append(news)
        if isinstance(news, SlowReader) and self.cut is not None:
            self.cut()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Pump:
    """At most `threads` streams at a time; the caller admits no more (`gate.Gate`)."""

    def __init__(
        self, predictor: Predictor, threads: int, chunk_timeout: float, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._predictor = predictor
        self._threads_left = threads
        self._chunk_timeout = chunk_timeout
        self._loop = loop
        self._work: SimpleQueue[Stream | None] = SimpleQueue()
        self._idle = 0
        self._outbox: deque[tuple[Stream, Part | Exception, bool]] = deque()
        self._woken = False

    def start(self, stream: Stream) -> None:
        """Begin a stream; `stream.done` is called on the loop when Java is through with it, whoever still listens."""
        if self._idle > 0:
            self._idle -= 1
        elif self._threads_left > 0:
            self._threads_left -= 1
            threading.Thread(target=self._serve, name="stream", daemon=True).start()
        self._work.put(stream)

    def _serve(self) -> None:
        while (stream := self._work.get()) is not None:
            self._run(stream)

    def _run(self, stream: Stream) -> None:
        try:
            answer = self._predictor.predict(stream.body, stream.headers)
            stream.body = b""
            while True:
                part = answer.next(self._chunk_timeout)
                if not stream.admit(len(part.data), self._chunk_timeout):
                    raise SlowReader
                self._post(stream, part, part.last)
                if part.last:
                    return
        except Exception as problem:  # whatever Java raised belongs to this request alone
            self._post(stream, problem, True)

    def _post(self, stream: Stream, news: Part | Exception, ended: bool) -> None:
        self._outbox.append((stream, news, ended))
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._drain)
            except RuntimeError:  # the loop is closed: nobody listens any more
                logger.debug("A stream ended after the server.")

    def _drain(self) -> None:
        # Lowered first: what a thread appends after this either is seen below or wakes the loop again.
        self._woken = False
        while self._outbox:
            stream, news, ended = self._outbox.popleft()
            stream.deliver(news)
            if ended:
                self._idle += 1
                stream.done()
