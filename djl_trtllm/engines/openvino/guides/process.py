"""The process that checks guides, as its parent sees it: asked, waited for, killed."""

from __future__ import annotations

import queue
import time

from djl_trtllm.engines.openvino.guides import messages as g
from djl_trtllm.engines.openvino.process import GRACE, ChildProcess

MODULE = "djl_trtllm.engines.openvino.guides.probe"

START_LIMIT = 60.0
"""Seconds that a process may take to be ready, on a machine that is busy."""


class NotReadyError(Exception):
    """The process did not become ready."""


class EndedError(Exception):
    """The process ended instead of answering; `code` as of `ChildProcess`."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"signal {-code}" if code is not None and code < 0 else f"exit code {code}")
        self.code = code


class GuideProcess:
    """One process, started at once. Asked by one thread at a time; `close` may come from any."""

    def __init__(self, start: g.Start) -> None:
        self._news: queue.SimpleQueue[g.ToParent | EndedError] = queue.SimpleQueue()
        self._ready = False
        self._child = ChildProcess(self._on_messages, _nothing, self._on_end, MODULE)
        self._child.start()
        self._child.send(g.encode(start))

    @property
    def pid(self) -> int | None:
        """Its process id, once there is one."""
        return self._child.pid

    def ask(self, question: g.Check, seconds: float) -> g.Verdict:
        """Return the answer. `TimeoutError` when it takes longer, starting excepted; `EndedError`, `NotReadyError`."""
        if not self._ready:
            self._await_ready()
        self._child.send(g.encode(question))
        news = self._next(seconds)
        if not isinstance(news, g.Verdict):
            raise TypeError("The process that checks guides answered something else.")
        return news

    def close(self) -> None:
        """Kill it, which costs nothing, and wait for its end."""
        self._child.kill()
        self._child.join(10 * GRACE)

    def _await_ready(self) -> None:
        began = time.monotonic()
        try:
            self._next(START_LIMIT)
        except TimeoutError:
            raise NotReadyError(f"nothing within {time.monotonic() - began:.0f} s") from None
        except EndedError as error:
            raise NotReadyError(str(error)) from error
        self._ready = True

    def _next(self, seconds: float) -> g.ToParent:
        try:
            news = self._news.get(timeout=seconds)
        except queue.Empty:
            raise TimeoutError from None
        if isinstance(news, EndedError):
            raise news
        return news

    def _on_messages(self, messages: list[bytes]) -> None:
        for data in messages:
            self._news.put(g.decode_to_parent(data))

    def _on_end(self, code: int | None) -> None:
        self._news.put(EndedError(code))


def _nothing() -> None:
    """Silence means that it is compiling a guide; who asked counts the seconds."""
