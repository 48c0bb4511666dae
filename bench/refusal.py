"""Refusal of a prompt of 10 MB where 8,192 tokens are allowed: the time beyond parsing its body."""

from __future__ import annotations

from bench import djl, stats
from bench.process import SideProcess
from bench.stats import Bar, Figure

BAR = Bar(1.0)
"""Times the calibration loop, which takes about a millisecond."""
SIZE = 10_000_000


def run(pairs: int, *, size: int = SIZE) -> list[Figure]:
    """Measure, and return the judged figure, the plain time and that of parsing."""
    djl.extract(djl.VERSIONS[0])
    with SideProcess(djl.BUILD / "refusal.log", "bench.requests_side") as side:
        side.ask("refuse", size)
        taken = [side.ask("refuse", size) for _ in range(pairs)]
    return stats.told(
        [
            *stats.calibrated(
                f"refusal/beyond_parsing/{size}", [(one["refuse"], one["loop"]) for one in taken], BAR
            ),
            stats.plain(f"refusal/parsing/{size}", [one["parse"] for one in taken], "ms"),
        ]
    )
