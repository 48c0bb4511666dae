"""Responses that nobody has fetched yet, and the three ways to wait for them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.responses import Answers

ANSWERS_FOR_ENDED = (1, 1)
"""From this version on waiting for one request that has ended gives an error response; before, it waits on."""


class Mailbox:
    """Guarded by the condition of the loop that fills it. Seconds None: for ever."""

    def __init__(self, changed: threading.Condition, answers: Answers, release: tuple[int, int]) -> None:
        self._changed = changed
        self._answers = answers
        self._release = release
        self._ready: dict[int, deque[Any]] = {}
        self._ended: set[int] = set()
        self._closed = False

    def put(self, request_id: int, response: Any, *, final: bool) -> None:
        """Deliver a response; the caller holds the lock or is the only thread."""
        with self._changed:
            self._ready.setdefault(request_id, deque()).append(response)
            if final:
                self._ended.add(request_id)
            self._changed.notify_all()

    def close(self) -> None:
        """Let everybody who waits go with nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def ready(self, request_id: int | None = None) -> int:
        """Return how many responses wait to be fetched, of one request or of all."""
        with self._changed:
            if request_id is not None:
                return len(self._ready.get(request_id, ()))
            return sum(len(responses) for responses in self._ready.values())

    def of_any(self, seconds: float | None) -> list[Any]:
        """Return all responses there are, after waiting for one; none after the time."""
        with self._changed:
            self._wait(lambda: bool(self._ready), seconds)
            taken = [response for responses in self._ready.values() for response in responses]
            self._ready.clear()
            return taken

    def of(self, request_id: int, seconds: float | None, *, listed: bool = False) -> list[Any]:
        """Return the responses of one request."""
        with self._changed:
            if self._over(request_id) and (listed or self._release >= ANSWERS_FOR_ENDED):
                text = f"ReqId {request_id} has already been processed and was terminated."
                return [self._answers.error(request_id, text)]
            self._wait(lambda: request_id in self._ready, seconds)
            return list(self._ready.pop(request_id, ()))

    def of_each(self, request_ids: Sequence[int], seconds: float | None) -> list[list[Any]]:
        """Return the responses of several requests, one list each, waiting for one after the other."""
        end = None if seconds is None else time.monotonic() + seconds
        return [
            self.of(request_id, None if end is None else max(0.0, end - time.monotonic()), listed=True)
            for request_id in request_ids
        ]

    def _over(self, request_id: int) -> bool:
        return request_id in self._ended and request_id not in self._ready

    def _wait(self, there: Callable[[], bool], seconds: float | None) -> None:
        self._changed.wait_for(lambda: self._closed or there(), seconds)
