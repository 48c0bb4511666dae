"""Who may enter the engine: a bounded queue in front of a bounded number of places, in order of arrival."""

from __future__ import annotations

import asyncio
from collections import deque


class QueueFull(Exception):
    """As many wait as may wait."""


class Closing(Exception):
    """The server ends: those who wait are not served any more."""


class Gate:
    """`places` inside, `waiting` outside at most. A waiter costs one future, no thread. Belongs to one event loop."""

    def __init__(self, places: int, waiting: int) -> None:
        self._free = places
        self._limit = waiting
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._closed = False

    async def enter(self) -> None:
        """Take a place, waiting for one in turn. Raises QueueFull or Closing."""
        if self._closed:
            raise Closing
        if self._free > 0:
            self._free -= 1
            return
        if len(self._waiters) >= self._limit:
            raise QueueFull
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()
            elif turn in self._waiters:
                self._waiters.remove(turn)
            raise

    def leave(self) -> None:
        """Give a place back: the longest waiter gets it."""
        while self._waiters:
            turn = self._waiters.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1

    def close(self) -> None:
        """Turn away everybody who waits and who comes; those inside stay."""
        self._closed = True
        while self._waiters:
            turn = self._waiters.popleft()
            if not turn.done():
                turn.set_exception(Closing())
