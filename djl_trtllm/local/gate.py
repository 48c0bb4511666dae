"""Who may enter the engine: a bounded queue in front of a bounded number of places, in order of arrival."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol


class QueueFull(Exception):
    """As many wait as may wait."""


class Closing(Exception):
    """The server ends: those who wait are not served any more."""


class Waiter(Protocol):
    """Who waits for a place: a future, or what has a future's manners."""

    def done(self) -> bool:
        """Whether it does not wait any more."""
        ...

    def set_result(self, result: None) -> None:
        """Its turn has come: the place is taken for it."""
        ...

    def set_exception(self, problem: BaseException) -> None:
        """It is turned away."""
        ...


class Gate:
    """`places` inside, `waiting` outside at most. A waiter costs one object, no thread. Belongs to one event loop."""

    def __init__(self, places: int, waiting: int) -> None:
        self._free = places
        self._limit = waiting
        self._waiters: deque[Waiter] = deque()
        self._closed = False

    async def enter(self) -> None:
        """Take a place, waiting for one in turn. Raises QueueFull or Closing."""
        if self.take():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.wait(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.leave()
            else:
                self.forget(turn)
            raise

    def take(self) -> bool:
        """Take a place where there is one. Raises Closing."""
        if self._closed:
            raise Closing
        if self._free <= 0:
            return False
        self._free -= 1
        return True

    def wait(self, waiter: Waiter) -> None:
        """Wait in turn. Raises QueueFull."""
        if len(self._waiters) >= self._limit:
            raise QueueFull
        self._waiters.append(waiter)

    def forget(self, waiter: Waiter) -> None:
        """Let go of a waiter that left."""
        if waiter in self._waiters:
            self._waiters.remove(waiter)

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


class Place:
    """A place that was taken for a request which is not read yet: whoever reads it uses it or gives it back."""

    __slots__ = ("_gate",)

    def __init__(self, gate: Gate) -> None:
        self._gate: Gate | None = gate

    def use(self) -> bool:
        """Take it, and with it the duty to leave; whether it was still there."""
        used, self._gate = self._gate is not None, None
        return used

    def give_back(self) -> None:
        """Leave it, where nobody uses it."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.leave()
