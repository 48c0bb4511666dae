"""What makes no progress is noticed: an engine that gives no tokens, and a step that does not come back.

Both are told by time that was watched passing, never by two looks at a clock: a process that was stopped for a while,
as a paused container is, has stalled nobody.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from djl_trtllm.core import FinishReason, TokenChunk

log = logging.getLogger(__name__)

STDERR = 2
"""Stacks go there: DJL-Serving puts a worker's standard error into its log."""

_LOOK_SECONDS = 1.0
"""The longest time between two looks that is believed to have passed for the engine too."""

_BETWEEN_STEPS = 0.1
_TICK = 1.0

END_AFTER = 10.0
"""Seconds by which a step may outlast the time after which its stacks are dumped, before the worker is ended."""


class Watched(Protocol):
    """What can be let go of and begun again: the supervisor with its engine, the threads that prepare requests."""

    @property
    def progress(self) -> float:
        """When it was last heard to work, of the monotonic clock; the future where it may be quiet for so long."""
        ...

    def replace(self, why: str) -> None:
        """Let go of what hangs and begin again; whoever is in it hears nothing more. Never blocks for long."""
        ...


class StallWatch:
    """Looks, once a step, whether the engine moves; `seconds` is option.stall_timeout, 0 for never.

    Progress is a token or an ending of any sequence, and whatever the engine itself reports, such as a part of a
    prompt. So one sequence that waits while others run is no stall, nor is a prompt that takes many steps; one step of
    the engine that takes longer than `seconds` is.
    """

    def __init__(self, seconds: float, engine: Watched, what: str = "The engine") -> None:
        self.seconds = seconds
        self._what = what
        self._engine = engine
        self._quiet = 0.0
        self._looked = 0.0
        self._told = 0.0

    def look(self, news: Sequence[Sequence[TokenChunk]], running: Callable[[], bool]) -> str | None:
        """Take a step's news; return what is wrong once nothing has moved for too long while sequences run."""
        for chunks in news:
            if chunks and chunks[0].tokens:
                self._quiet = 0.0
                return None
        if not self.seconds or any(map(_is_progress, (c for chunks in news for c in chunks))):
            self._quiet = 0.0
            return None
        if not running():
            self._quiet = 0.0
            return None
        now, told = time.monotonic(), self._engine.progress
        if told != self._told or told > now:
            self._told, self._quiet = told, 0.0
        passed = now - self._looked if self._quiet else _BETWEEN_STEPS
        self._quiet += min(passed, _LOOK_SECONDS)
        self._looked = now
        if self._quiet <= self.seconds:
            return None
        self._quiet = 0.0
        return f"{self._what} made no progress for {self.seconds:g} s with requests waiting (option stall_timeout)."

    def replace(self, why: str) -> None:
        """Dump this process's stacks and have the engine replaced."""
        log.error("%s The stacks of all threads follow.", why)
        dump_stacks()
        self._engine.replace(why)


class Watchdog:
    """Ends the process when one step of the loop hangs: nobody else can answer, and only a new worker helps.

    `beats` is odd while a step runs and goes up by one at its beginning and its end. Stacks are dumped after `seconds`,
    and the process is ended `END_AFTER` later, which is before DJL's predict_timeout with both at their defaults. Where
    not even this thread runs, because the interpreter's lock is not let go of, the stacks are dumped all the same, and
    DJL ends the worker.
    """

    def __init__(self, seconds: float, beats: Callable[[], int]) -> None:
        self._seconds = seconds
        self._beats = beats
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
        if seconds:
            self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._over.set()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _watch(self) -> None:
        hung, dumped = 0.0, False
        last, looked = self._beats(), time.monotonic()
        tick = min(_TICK, self._seconds / 4)
        faulthandler.dump_traceback_later(self._seconds + _TICK, file=STDERR)
        try:
            while not self._over.wait(tick):
                faulthandler.dump_traceback_later(self._seconds + _TICK, file=STDERR)
                beats, now = self._beats(), time.monotonic()
                if beats == last and beats % 2:
                    hung += min(now - looked, 2 * tick)
                else:
                    hung, dumped = 0.0, False
                last, looked = beats, now
                if hung > self._seconds and not dumped:
                    dumped = True
                    log.error("A step has not come back for %.0f s. The stacks of all threads follow.", hung)
                    dump_stacks()
                if hung > self._seconds + END_AFTER:
                    end(f"a step of the rolling batch hung for {hung:.0f} s (option stall_timeout)")
        finally:
            faulthandler.cancel_dump_traceback_later()


def dump_stacks() -> None:
    """Write the stacks of all threads: files, lines and functions, and no values."""
    faulthandler.dump_traceback(STDERR)


def end(why: str) -> None:
    """End this process at once, so that DJL starts another; the reason is its last line."""
    log.critical("this worker ends, so that it is replaced: %s", why)
    os._exit(1)


def _is_progress(chunk: TokenChunk) -> bool:
    """Whether the engine has worked for this: refusals and cancellations need no engine that moves."""
    return bool(chunk.tokens) or chunk.finish not in (None, FinishReason.CANCELLED)
