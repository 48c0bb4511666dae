"""What a fault was answered with, beside what was promised."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any

PASS, SHORT, UNDECIDED, FAILED = "pass", "short", "undecided", "failed"

_COMPARISONS = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure must reach: a comparison, "<=", ">=" or "==", and a number."""

    comparison: str
    value: float

    def __post_init__(self) -> None:
        if self.comparison not in _COMPARISONS:
            raise ValueError(f"{self.comparison!r} compares nothing: choose from {', '.join(_COMPARISONS)}")

    def __str__(self) -> str:
        return f"{self.comparison} {self.value:g}"

    def met(self, value: float) -> bool:
        """Whether `value` reaches the bar."""
        return bool(_COMPARISONS[self.comparison](value, self.value))

    @classmethod
    def parse(cls, text: str) -> Bar:
        """Return the bar that `str` wrote."""
        comparison, value = text.split()
        return cls(comparison, float(value))


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `id` is the promise's and a name, as in "R1.healthy_failures".

    `value` is None where the scenario ended before it had one. `spread` is the range of the values that `value`
    stands for, where it stands for several; `detail` says in a few words how it was measured. Where `interval`, the
    spread is the 95 % interval of a value that other processes on the machine move: it is undecided rather than short
    while the interval reaches the bar.
    """

    id: str
    fault: str
    value: float | None
    unit: str
    bar: Bar | None
    detail: str = ""
    spread: tuple[float, float] | None = None
    interval: bool = False

    @property
    def promise(self) -> str:
        """The promise that the figure is of: "R1"."""
        return self.id.partition(".")[0]

    @property
    def verdict(self) -> str:
        """Return "pass", "short", "undecided", or "failed" where there is no value."""
        if self.value is None or self.bar is None:
            return FAILED
        if self.bar.met(self.value):
            return PASS
        reached = self.interval and self.spread is not None and any(map(self.bar.met, self.spread))
        return UNDECIDED if reached else SHORT

    def entry(self) -> dict[str, Any]:
        """Return what results.json says of the figure."""
        spread = self.spread or (None if self.value is None else (self.value, self.value))
        return {
            "id": self.id,
            "value": self.value,
            "spread": spread and list(spread),
            "interval": self.interval,
            "unit": self.unit,
            "bar": self.bar and str(self.bar),
            "verdict": self.verdict,
            "fault": self.fault,
            "detail": self.detail,
        }

    @classmethod
    def of_entry(cls, entry: dict[str, Any]) -> Figure:
        """Return the figure that `entry` wrote."""
        spread, bar = entry["spread"], entry["bar"]
        return cls(
            id=entry["id"],
            fault=entry["fault"],
            value=entry["value"],
            unit=entry["unit"],
            bar=Bar.parse(bar) if bar else None,
            detail=entry["detail"],
            spread=(spread[0], spread[1]) if spread else None,
            interval=entry["interval"],
        )


def at_most(id: str, fault: str, value: float, bar: float, unit: str, detail: str = "") -> Figure:  # noqa: A002
    """Return a figure that passes up to `bar`."""
    return Figure(id, fault, value, unit, Bar("<=", bar), detail)


def at_least(id: str, fault: str, value: float, bar: float, unit: str, detail: str = "") -> Figure:  # noqa: A002
    """Return a figure that passes from `bar` on."""
    return Figure(id, fault, value, unit, Bar(">=", bar), detail)


def exactly(id: str, fault: str, value: float, bar: float, unit: str, detail: str = "") -> Figure:  # noqa: A002
    """Return a figure that passes at `bar` only."""
    return Figure(id, fault, value, unit, Bar("==", bar), detail)
