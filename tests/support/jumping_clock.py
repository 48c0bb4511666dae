"""A wall clock that jumps at every look, by seconds or by years, forwards and back. The monotonic clock goes on."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

JUMPS = (0.5, 60.0, 3600.0, 86400.0, 10 * 365 * 86400.0)
"""How far, in seconds."""


@contextmanager
def jumping(seed: int) -> Iterator[None]:
    """Let it jump meanwhile, for whoever asks Python's `time` in this process."""
    chance, real = random.Random(seed), time.time

    def now() -> float:
        return max(real() + chance.choice(JUMPS) * chance.choice((-1, 1)), 1.0)

    def now_ns() -> int:
        return int(now() * 1e9)

    with mock.patch("time.time", now), mock.patch("time.time_ns", now_ns):
        yield
