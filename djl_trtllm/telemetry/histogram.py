"""Histograms that take values many at a time: prometheus_client's cost more than a token for each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from functools import partial
from operator import mul


class Histogram:
    """Counts of values by upper bound; the last one is of those above all bounds. One thread writes."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    @property
    def count(self) -> int:
        """How many values were observed."""
        return sum(self.counts)

    def observe(self, values: Iterable[float]) -> None:
        """Count values."""
        ordered = sorted(values)
        counts, at = self.counts, 0
        for index, bound in enumerate(self.bounds):
            if at == len(ordered):
                break
            before, at = at, bisect_right(ordered, bound, at)
            counts[index] += at - before
        counts[-1] += len(ordered) - at
        self.sum += sum(ordered)

    def observe_weighted(self, values: Sequence[float], weights: Sequence[int]) -> None:
        """Count each value as if it had been seen `weights` times."""
        counts = self.counts
        for index, weight in zip(map(partial(bisect_left, self.bounds), values), weights, strict=True):
            counts[index] += weight
        self.sum += sum(map(mul, values, weights))
