"""What the moments of tokens say: a rate, the time to the first one, and the gaps between two."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from bench import stats

PERCENTS = (50, 95, 99)


def summary(begun: float, stamps: Sequence[Sequence[float]]) -> dict[str, float]:
    """Return tokens a second and percentiles in ms, of streams that began together at `begun` (seconds)."""
    first = [(one[0] - begun) * 1_000 for one in stamps]
    gaps = [(after - before) * 1_000 for one in stamps for before, after in pairwise(one)]
    found = {"rate": sum(map(len, stamps)) / (max(one[-1] for one in stamps) - begun)}
    for percent in PERCENTS:
        found[f"ttft_p{percent}"] = stats.percentile(first, percent)
        found[f"gap_p{percent}"] = stats.percentile(gaps, percent)
    return found
