"""The end of a server that is answering: who is in finishes or is told why not, who comes is turned away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

TELLING = 1.5
"""Seconds in which workers that were told of the end answer what they are at, and that reaches the clients."""

CUTTING = 1.0
"""Seconds in which connections that had to be cut are gone."""

Task = asyncio.Task[None]


class Answers(Protocol):
    """What is being answered (`front.Front`)."""

    @property
    def answering(self) -> frozenset[Task]:
        """The requests that are being answered, or about to be."""
        ...

    def stopping(self) -> None:
        """Turn away whoever waits or comes."""
        ...

    def cut(self, tasks: Iterable[Task]) -> None:
        """End requests at once."""
        ...


class Drain:
    """Ends the answers of a server, in at most `grace` + `TELLING` + `CUTTING` seconds.

    Requests have `grace` seconds to finish. `tell` is called once when some have not, with their number: it has the
    workers end them in their own formats. Those that are still there after that are cut. Belongs to one event loop.
    """

    def __init__(self, answers: Answers, grace: float, tell: Callable[[int], None]) -> None:
        self._answers, self._grace, self._tell = answers, grace, tell
        self._hurry = asyncio.Event()

    def hurry(self) -> None:
        """Do not wait for requests to finish."""
        self._hurry.set()

    async def run(self) -> None:
        """Go through the whole end."""
        self._answers.stopping()
        # Not those that come from now on: they are turned away, however many they are.
        left = await self._finished(self._answers.answering)
        if left:
            self._tell(len(left))
            _, left = await asyncio.wait(left, timeout=TELLING)
        if left:
            self._answers.cut(left)
            await asyncio.wait(left, timeout=CUTTING)

    async def _finished(self, tasks: Iterable[Task]) -> set[Task]:
        """Wait for `tasks`, at most as long as they may take; return those that are not done."""
        left = set(tasks)
        hurry = asyncio.ensure_future(self._hurry.wait())
        deadline = asyncio.get_running_loop().time() + self._grace
        while left and not hurry.done():
            rest = deadline - asyncio.get_running_loop().time()
            if rest <= 0:
                break
            done, _ = await asyncio.wait([hurry, *left], timeout=rest, return_when=asyncio.FIRST_COMPLETED)
            left -= done
        hurry.cancel()
        return left
