"""The pictures: how far each goal is reached, figures side by side, and where time goes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bench import stats
from bench.drawing import Dot, Drawing, Line, Rect, Shape, Text
from bench.stats import Bar, Figure

COLOURS = {"pass": "#2e7d32", "undecided": "#b07d00", "short": "#c62828"}
PLAIN = "#3b6ea5"
PARTS = ("#3b6ea5", "#7aa6d6", "#2e7d32", "#c9c9c9", "#b07d00", "#8e5ea2")
GREY = "#9a9a9a"
ROW = 24
LABELS = 330
WIDTH = 900
TOP, BOTTOM = 46, 34
LEAST, MOST = 0.02, 50.0
"""What lies outside is drawn at the edge."""
RIGHT = 150
"""Room for a row's value."""


def goals(
    figures: Sequence[Figure], title: str = "How far each goal is reached: right of the line is better"
) -> Drawing:
    """Every judged figure in multiples of its bar, on a scale where right of 1 is better."""
    rows = [(figure, Bar.parse(figure.bar)) for figure in figures if figure.bar]
    reached = [
        [min(max(bar.reached(value), LEAST), MOST) for value in (*figure.spread, figure.value)]
        for figure, bar in rows
    ]
    low = min((min(one) for one in reached), default=1.0)
    high = max((max(one) for one in reached), default=1.0)
    scale = _Log(min(low, 0.5), max(high, 2.0))
    shapes = _frame(title, len(rows), scale)
    shapes.append(Line(scale.at(1.0), TOP, scale.at(1.0), TOP + ROW * len(rows), "#222222", 1.5))
    for row, ((figure, _), (one, other, value)) in enumerate(zip(rows, reached, strict=True)):
        y = TOP + ROW * row + ROW / 2
        colour = COLOURS.get(figure.verdict or "", GREY)
        tip = str(figure)
        shapes += [
            Text(LABELS - 10, y + 4, figure.id, anchor="end"),
            Line(scale.at(min(one, other)), y, scale.at(max(one, other)), y, colour, 3),
            Dot(scale.at(value), y, 5, colour, tip),
            Text(WIDTH - RIGHT + 10, y + 4, f"{stats.rounded(figure.value)} ({figure.bar})", colour),
        ]
    return Drawing(WIDTH, TOP + ROW * len(rows) + BOTTOM, title, shapes)


def side_by_side(figures: Sequence[Figure], title: str) -> Drawing:
    """Figures of one unit as bars with their intervals."""
    most = max((max(figure.spread[1], figure.value) for figure in figures), default=0.0)
    least = min((min(figure.spread[0], figure.value) for figure in figures), default=0.0)
    scale = _Linear(min(0.0, least), max(most, 0.0) or 1.0)
    shapes = _frame(title, len(figures), scale)
    for row, figure in enumerate(figures):
        y = TOP + ROW * row
        left, right = sorted((scale.at(0.0), scale.at(figure.value)))
        shapes += [
            Text(LABELS - 10, y + ROW / 2 + 4, figure.id, anchor="end"),
            Rect(left, y + 5, right - left, ROW - 10, PLAIN, str(figure)),
            Line(
                scale.at(figure.spread[0]),
                y + ROW / 2,
                scale.at(figure.spread[1]),
                y + ROW / 2,
                "#222222",
                1.5,
            ),
            Text(WIDTH - RIGHT + 10, y + ROW / 2 + 4, stats.rounded(figure.value)),
        ]
    return Drawing(WIDTH, TOP + ROW * len(figures) + BOTTOM, title, shapes)


def shares(rows: Mapping[str, Mapping[str, float]], title: str) -> Drawing:
    """Each row's parts of a whole, one behind the other, in percent."""
    names = list(dict.fromkeys(name for parts in rows.values() for name in parts))
    colours = dict(zip(names, PARTS * (len(names) // len(PARTS) + 1), strict=False))
    scale = _Linear(0.0, 100.0)
    shapes = _frame(title, len(rows) + 1, scale)
    for row, (label, parts) in enumerate(rows.items()):
        y, at = TOP + ROW * row, 0.0
        shapes.append(Text(LABELS - 10, y + ROW / 2 + 4, label, anchor="end"))
        for name, share in parts.items():
            width = scale.at(at + share) - scale.at(at)
            shapes.append(Rect(scale.at(at), y + 4, width, ROW - 8, colours[name], f"{name}: {share:.1f} %"))
            at += share
    y, x = TOP + ROW * len(rows), float(LABELS)
    for name in names:
        shapes += [Rect(x, y + 8, 10, 10, colours[name]), Text(x + 15, y + 17, name)]
        x += 35 + 8 * len(name)
    return Drawing(WIDTH, TOP + ROW * (len(rows) + 1) + BOTTOM, title, shapes)


class _Linear:
    def __init__(self, low: float, high: float) -> None:
        self._low, self._high = low, high

    def at(self, value: float) -> float:
        share = (value - self._low) / (self._high - self._low)
        return LABELS + share * (WIDTH - LABELS - RIGHT)

    def ticks(self) -> list[float]:
        step = 10.0 ** math.floor(math.log10((self._high - self._low) / 2))
        if (self._high - self._low) / step > 8:
            step *= 5
        first = math.ceil(self._low / step)
        return [number * step for number in range(first, math.floor(self._high / step) + 1)]


class _Log(_Linear):
    def __init__(self, low: float, high: float) -> None:
        super().__init__(math.log10(low), math.log10(high))

    def at(self, value: float) -> float:
        return super().at(math.log10(max(value, 10.0**self._low)))

    def ticks(self) -> list[float]:
        candidates = [
            digit * 10.0**power
            for power in range(math.floor(self._low), math.ceil(self._high) + 1)
            for digit in (1, 2, 5)
        ]
        return [one for one in candidates if self._low <= math.log10(one) <= self._high]


def _frame(title: str, rows: int, scale: _Linear) -> list[Shape]:
    bottom = TOP + ROW * rows
    shapes: list[Shape] = [Text(10, 22, title, size=16)]
    for tick in scale.ticks():
        shapes += [
            Line(scale.at(tick), TOP, scale.at(tick), bottom, "#dddddd"),
            Text(scale.at(tick), bottom + 18, f"{tick:g}", GREY, "middle"),
        ]
    return shapes
