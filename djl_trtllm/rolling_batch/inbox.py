"""The one place the loop waits: token chunks, refused requests and the engine's death all arrive here."""

from __future__ import annotations

import queue
from collections.abc import Sequence

from djl_trtllm.core import TokenChunk
from djl_trtllm.errors import DjlTrtllmError


class QueueInbox:
    """A `core.Inbox` over a C queue. Any thread puts, one thread waits.

    `death` holds the error of an engine that is gone for good, the first one. It is set before the wake-up is queued,
    so a waiter that comes back with nothing always sees it.
    """

    __slots__ = ("_news", "death")

    def __init__(self) -> None:
        self._news: queue.SimpleQueue[Sequence[TokenChunk]] = queue.SimpleQueue()
        self.death: DjlTrtllmError | None = None

    def put(self, chunks: Sequence[TokenChunk]) -> None:
        """Deliver chunks and wake the waiter."""
        self._news.put(chunks)

    def dead(self, error: DjlTrtllmError) -> None:
        """Record the engine's death and wake the waiter."""
        if self.death is None:
            self.death = error
        self._news.put(())

    def drain(self) -> list[Sequence[TokenChunk]]:
        """Everything that is there now, oldest first; never waits."""
        news, batches = self._news, []
        while not news.empty():  # This is the only consumer, so what is there stays there.
            batches.append(news.get_nowait())
        return batches

    def wait(self, seconds: float) -> list[Sequence[TokenChunk]]:
        """Wait for news for at most `seconds`, then take all of it. Empty when nothing came."""
        try:
            first = self._news.get(timeout=seconds)
        except queue.Empty:
            return []
        rest = self.drain()
        rest.insert(0, first)
        return rest
