"""When each stage of a load began, for its trace."""

from __future__ import annotations

import time
from collections.abc import Iterator

from djl_trtllm.core import Progress

MOST = 200
"""Stages that are kept: a load has about ten."""


class Stages:
    """The stages of one load, in order. Times are of `time.time_ns`."""

    def __init__(self) -> None:
        self.began = time.time_ns()
        self._found: list[tuple[str, int]] = []

    def of(self, progress: Progress) -> Progress:
        """Return a progress that notes each new stage and passes it on."""
        return _Noting(progress, self)

    def note(self, name: str) -> None:
        """Note a stage, unless it is the one that is going on."""
        if len(self._found) < MOST and (not self._found or self._found[-1][0] != name):
            self._found.append((name, time.time_ns()))

    def spans(self, over: int) -> Iterator[tuple[str, int, int]]:
        """Yield each stage with its beginning and its end; the last one ends when all is `over`."""
        for number, (name, begun) in enumerate(self._found, 1):
            yield name, begun, self._found[number][1] if number < len(self._found) else over


class _Noting:
    def __init__(self, progress: Progress, stages: Stages) -> None:
        self._progress = progress
        self._stages = stages

    def stage(self, name: str, percent: float | None = None) -> None:
        """Note the stage and pass it on."""
        self._stages.note(name)
        self._progress.stage(name, percent)
