"""Figures on a noisy machine: ratios of alternating pairs, their median, a 95 % interval and a verdict.

Two runs of the same thing differ by up to a fifth on a shared machine, so nothing is judged by one run. Each
figure is the median of at least `MIN_PAIRS` ratios, and every ratio comes from two measurements taken right
after each other. The interval is the distribution-free one for a median: two order statistics.
"""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

MIN_PAIRS = 9
"""Fewer pairs than this never give a verdict other than "undecided"."""
CONFIDENCE = 0.95
TOLERANCE = 0.02
"""How far the median may miss a bar that its interval reaches: noise, not a shortfall."""
RESULTS = Path("build/bench/results.json")
CONTEXT = Path("build/bench/context.json")


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must reach: at most `value`, or at least `value` when `at_least`."""

    value: float
    at_least: bool = False

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {self.value:g}"

    @classmethod
    def parse(cls, text: str) -> Bar:
        """Return the bar that `str` wrote."""
        sign, value = text.split()
        return cls(float(value), sign == ">=")

    def reached(self, value: float) -> float:
        """Return how many times over a positive value reaches the bar: 1 exactly, more is better."""
        value = max(value, 1e-9)
        return value / self.value if self.at_least else self.value / value


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the bench. `spread` is the 95 % interval; `bar` and `verdict` are None in context lines."""

    id: str
    value: float
    spread: tuple[float, float]
    unit: str
    bar: str | None = None
    verdict: str | None = None

    def __str__(self) -> str:
        judged = f"   bar {self.bar}   {self.verdict}" if self.bar else ""
        low, high = self.spread
        return f"{self.id:<44} {self.value:9.3f}  [{low:.3f} to {high:.3f}] {self.unit}{judged}"


def alternate(
    first: Callable[[], float], second: Callable[[], float], pairs: int
) -> list[tuple[float, float]]:
    """Measure both sides `pairs` times. Who begins changes from pair to pair, so drift favours neither."""
    measured = []
    for index in range(pairs):
        if index % 2:
            late, early = second(), first()
            measured.append((early, late))
        else:
            measured.append((first(), second()))
    return measured


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The narrowest pair of order statistics that holds the median with 95 %; the whole range when too few.

    With n values, the k-th smallest and k-th largest miss the median with probability 2·P(Bin(n, ½) < k).
    """
    ordered = sorted(values)
    n = len(ordered)
    kept, missed = 0, 2 * 0.5**n
    while missed <= 1 - CONFIDENCE and kept < n // 2:
        kept += 1
        missed += 2 * math.comb(n, kept) * 0.5**n
    cut = max(kept - 1, 0)
    return ordered[cut], ordered[n - 1 - cut]


def verdict(median: float, spread: tuple[float, float], bar: Bar, pairs: int) -> str:
    """Return "pass", "short" or "undecided".

    Pass: the interval's better end reaches the bar and the median misses it by 2 % at most. Short: the whole
    interval lies beyond the bar. Anything else, and anything from fewer than `MIN_PAIRS` pairs, is undecided.
    """
    if pairs < MIN_PAIRS:
        return "undecided"
    low, high = spread
    if bar.at_least:
        reached, close = high >= bar.value, median >= bar.value * (1 - TOLERANCE)
    else:
        reached, close = low <= bar.value, median <= bar.value * (1 + TOLERANCE)
    if reached and close:
        return "pass"
    return "undecided" if reached else "short"


def ratio(id: str, pairs: Sequence[tuple[float, float]], bar: Bar, unit: str) -> Figure:  # noqa: A002
    """Judge the median of first ÷ second over `pairs`."""
    ratios = [first / second for first, second in pairs]
    median, spread = statistics.median(ratios), interval(ratios)
    return Figure(id, median, spread, unit, str(bar), verdict(median, spread, bar, len(ratios)))


def absolute(id: str, values: Sequence[float], bar: Bar, unit: str) -> Figure:  # noqa: A002
    """Judge the median of `values` itself, which depends on the machine and on what else it does."""
    median, spread = statistics.median(values), interval(values)
    return Figure(id, median, spread, unit, str(bar), verdict(median, spread, bar, len(values)))


def calibrated(id: str, pairs: Sequence[tuple[float, float]], bar: Bar) -> list[Figure]:  # noqa: A002
    """Judge (ms measured, ms of the calibration loop) pairs against a bar in loops; the plain time stands beside it."""
    return [
        ratio(id, pairs, bar, "calibration loops"),
        plain(f"{id}/plain", [measured for measured, _ in pairs], "ms"),
    ]


def plain(id: str, values: Sequence[float], unit: str) -> Figure:  # noqa: A002
    """Report a median without judging it."""
    return Figure(id, statistics.median(values), interval(values), unit)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that at least so many percent of `values` do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def rounded(value: float) -> str:
    """Return three digits of a value, or all before its point."""
    return f"{value:.0f}" if abs(value) >= 1_000 else f"{value:.3g}"


def told(figures: list[Figure]) -> list[Figure]:
    """Print figures as soon as they are there, and return them."""
    for figure in figures:
        print(figure, flush=True)
    return figures


def record(figures: Iterable[Figure], results: Path = RESULTS, context: Path = CONTEXT) -> None:
    """Merge judged figures into `results` and the others into `context`, replacing all of the same parts.

    A figure's part is what its id begins with, up to the first stroke.
    """
    figures = list(figures)
    parts = {part_of(figure.id) for figure in figures}
    _merge(results, [figure for figure in figures if figure.bar], parts)
    _merge(context, [figure for figure in figures if not figure.bar], parts)


def load(file: Path) -> list[Figure]:
    """Read what `record` wrote; nothing where it never did."""
    entries = json.loads(file.read_text()) if file.exists() else []
    return [Figure(**{**entry, "spread": tuple(entry["spread"])}) for entry in entries]


def part_of(id: str) -> str:  # noqa: A002
    """Return the part of the bench that a figure belongs to."""
    return id.partition("/")[0]


def _merge(path: Path, fresh: Sequence[Figure], parts: set[str]) -> None:
    kept = [figure for figure in load(path) if part_of(figure.id) not in parts]
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".tmp")
    draft.write_text(json.dumps([asdict(figure) for figure in [*kept, *fresh]], indent=1) + "\n")
    draft.replace(path)
