"""The calibration loop: a fixed piece of plain Python, by which absolute bars are measured.

A bar of so many milliseconds means little on another machine, or on this one while it is busy. So the same work is
timed beside each measurement, in the same process, and the bar is in multiples of it. The loop takes about a
millisecond on a quiet core of a server CPU of the early 2020s: a bar of 5 ms is 5 loops.
"""

from __future__ import annotations

import time
from collections.abc import Callable

ROUNDS = 6_000
REPEATS = 5


def loop() -> int:
    """Count, fill a dict and write small texts, as Python around an engine does."""
    total, seen, texts = 0, {}, []
    for index in range(ROUNDS):
        total += index * index % 7
        seen[index & 255] = total
        texts.append(str(index))
    return total + len(seen) + len("".join(texts))


def milliseconds(clock: Callable[[], float] = time.perf_counter) -> float:
    """Return how long the loop takes now: the middle of a few times, after one that warms it up."""
    loop()
    taken = []
    for _ in range(REPEATS):
        begun = clock()
        loop()
        taken.append(clock() - begun)
    return sorted(taken)[REPEATS // 2] * 1_000
