"""How much of a fault is put in."""

from __future__ import annotations

from enum import Enum


class Scale(Enum):
    """Full counts, those of a shortened run, and the smallest with which a test shows that a scenario runs."""

    FULL = "full"
    QUICK = "quick"
    SMALLEST = "smallest"

    def of(self, full: int, quick: int, smallest: int | None = None) -> int:
        """Return the count for this scale; the smallest is the quick one where none is given."""
        if self is Scale.FULL:
            return full
        return quick if self is Scale.QUICK or smallest is None else smallest
