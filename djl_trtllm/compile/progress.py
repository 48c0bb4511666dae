"""Progress of long work as log lines: each new stage, each tenth of a stage, and a heartbeat between them."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from types import TracebackType

_TENTH = 10.0
_LATE = 0.8


@dataclass(frozen=True, slots=True)
class Allowed:
    """So many seconds may all of it take; `name` is what says so, `advice` a sentence on what to do."""

    seconds: float
    name: str
    advice: str


class LogProgress:
    """Reports stage, percent and elapsed time to a logger; says at least every `interval` seconds that it lives.

    Where there is a time `allowed`, lines show it, and a warning is given once four fifths of it are over. Use as a
    context manager: the heartbeat is a daemon thread that ends with it.
    """

    def __init__(
        self, title: str, logger: logging.Logger, interval: float = 25.0, allowed: Allowed | None = None
    ) -> None:
        self._title = title
        self._logger = logger
        self._interval = interval
        self._allowed = allowed
        self._warned = False
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._stage = ""
        self._percent: float | None = None
        self._said = (0.0, "", 0.0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="compile-heartbeat", daemon=True)

    def __enter__(self) -> LogProgress:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def stage(self, name: str, percent: float | None = None) -> None:
        """Log a new stage at once, and one that goes on at each tenth."""
        with self._lock:
            self._stage, self._percent = name, percent
            _, said_stage, said_percent = self._said
            if name != said_stage or (percent is not None and percent >= said_percent + _TENTH):
                self._say()

    def elapsed(self) -> float:
        """Return the seconds since this progress was made."""
        return time.monotonic() - self._started

    def _beat(self) -> None:
        while not self._ended.wait(self._interval / 10):
            with self._lock:
                if self._stage and self.elapsed() - self._said[0] >= self._interval:
                    self._say()
                self._warn()

    def _say(self) -> None:
        percent = "" if self._percent is None else f" {self._percent:.0f} %"
        of = "" if self._allowed is None else f" of {self._allowed.seconds:g}"
        self._logger.info("%s: %s%s, %.0f%s s", self._title, self._stage, percent, self.elapsed(), of)
        self._said = (self.elapsed(), self._stage, self._percent or 0.0)

    def _warn(self) -> None:
        allowed = self._allowed
        if allowed is None or self._warned or self.elapsed() < _LATE * allowed.seconds:
            return
        self._warned = True
        self._logger.warning(
            "%s has taken %.0f of the %g s that %s gives it. %s",
            self._title,
            self.elapsed(),
            allowed.seconds,
            allowed.name,
            allowed.advice,
        )
