"""Whether what a load still has to do fits into the time that DJL gives it, and into this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator

from djl_trtllm.engines import resources
from djl_trtllm.engines.estimate import Compiling, Estimate
from djl_trtllm.options.places import size
from djl_trtllm.options.table import Options

AHEAD = "djl-trtllm compile"
"""The command that compiles ahead of time."""


class Budget:
    """The time of one load of `ranks` processes, which has begun at `started` of the monotonic clock."""

    def __init__(self, options: Options, ranks: int, started: float) -> None:
        self._started = started
        self._options = options
        # Ranks that wait for each other give up first, unless rank_timeout says otherwise.
        names = ("model_loading_timeout", "rank_timeout") if ranks > 1 else ("model_loading_timeout",)
        self.name = min(names, key=lambda name: float(getattr(options, name)))
        self.seconds = float(getattr(options, self.name))

    @property
    def advice(self) -> str:
        """What to do where the time is not enough."""
        more = f"raise option.{self.name}"
        if self.name == "rank_timeout":
            more += " and option.model_loading_timeout"
        return f"Compile ahead of time with `{AHEAD}`, or {more}."

    def left(self) -> float:
        """Return the seconds that are left."""
        return self.seconds - (time.monotonic() - self._started)

    def lines(self, origin: str, estimate: Estimate) -> tuple[str | None, list[str]]:
        """Return what compiling a model is expected to take, and a warning for each thing that it will not get."""
        compiling = estimate.compiling
        if compiling is None:
            return None, []
        span = compiling.seconds
        expected = (
            f"compiling {origin} is expected to take {duration(span.low)} to {duration(span.high)} ({span.why}),"
            f" {size(compiling.host_bytes)} of memory and {size(compiling.disk_bytes)} of disk"
        )
        return expected, [*self._time(origin, estimate, compiling), *_memory(origin, compiling)]

    def _time(self, origin: str, estimate: Estimate, compiling: Compiling) -> Iterator[str]:
        least, left = compiling.seconds.low + estimate.loading.low, self.left()
        if least > left:
            source = self._options.source_of(self.name)
            yield (
                f"Compiling and loading {origin} takes {duration(least)} or more, and {duration(max(left, 0))} are left"
                f" of {self.name}={self.seconds:g} (from {source}): the load will be ended before it is done."
                f" {self.advice} What is compiled once is kept."
            )


def _memory(origin: str, compiling: Compiling) -> Iterator[str]:
    free = resources.host_memory().free
    if compiling.host_bytes > free:
        yield (
            f"Compiling {origin} takes about {size(compiling.host_bytes)} of memory, and {size(free)} are free: it may"
            f" be killed. Compile on a larger machine with `{AHEAD}` and copy the cache."
        )


def duration(seconds: float) -> str:
    """Return a time as people say it: 45 s, 3 min, 1 h 20 min."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"
