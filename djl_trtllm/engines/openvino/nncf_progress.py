"""How far NNCF is: it has no callback, but shows bars of its own, and those can be counted (NNCF 3.4).

Where another version has other bars, stages are told without a percent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

COUNTED_ELSEWHERE = ("Statistics collection",)
"""Bars over the calibration samples, which report themselves when they are read."""


@contextmanager
def reported(stage: Callable[[str, float | None], None], name: str) -> Iterator[None]:
    """Report NNCF's bars as the percent of stages, each as `name` and what the bar says; `name` alone before any."""
    stage(name, None)
    try:
        from nncf.common.logging.track_progress import track
    except ImportError:
        yield
        return
    plain = track.__iter__

    def counted(bar: Any) -> Iterator[Any]:
        if bar.description in COUNTED_ELSEWHERE:
            yield from plain(bar)
            return
        title = f"{name}: {bar.description[:1].lower()}{bar.description[1:]}"
        weights = getattr(bar, "weights", None)
        total, done = _total(bar), 0.0
        for position, item in enumerate(plain(bar)):
            stage(title, float(100.0 * done / total) if total else None)
            done += float(weights[position]) if weights else 1.0
            yield item
        stage(name, None)

    track.__iter__ = counted
    try:
        yield
    finally:
        track.__iter__ = plain


def _total(bar: Any) -> float:
    total = getattr(bar, "total", None)
    if total:
        return float(total)
    try:
        return float(len(bar.sequence))
    except TypeError:
        return 0.0
