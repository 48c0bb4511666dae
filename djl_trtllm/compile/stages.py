"""How long each stage of a build took."""

from __future__ import annotations

import time

from djl_trtllm.core import Progress


class StageTimes:
    """A `Progress` that passes everything on and adds up the seconds of each stage."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._seconds: dict[str, float] = {}
        self._current = ""
        self._since = self._started = time.monotonic()

    def stage(self, name: str, percent: float | None = None) -> None:
        """Enter a stage, or report how far it is."""
        self._count()
        self._current = name
        self._progress.stage(name, percent)

    def elapsed(self) -> float:
        """Return the seconds since this was made, to a tenth."""
        return round(time.monotonic() - self._started, 1)

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each stage so far, to a tenth, in the order in which they began."""
        self._count()
        return {name: round(seconds, 1) for name, seconds in self._seconds.items()}

    def _count(self) -> None:
        now = time.monotonic()
        if self._current:
            self._seconds[self._current] = self._seconds.get(self._current, 0.0) + now - self._since
        self._since = now
