"""Time to the first token that the handler adds: from the arrival at `handle` to the first reply, less the engine's.

The engine takes a step of 5 ms for the first token, and says itself how long that was.
"""

from __future__ import annotations

from bench import djl, stats
from bench.process import SideProcess
from bench.stats import Bar, Figure

BAR = Bar(0.5)
"""Times the calibration loop, which takes about a millisecond, for the median of many requests that come alone."""
REQUESTS = 50
TOGETHER = 64


def run(pairs: int, *, requests: int = REQUESTS, together: int = TOGETHER) -> list[Figure]:
    """Measure, and return the judged median for one request at a time, and others beside it."""
    djl.extract(djl.VERSIONS[0])
    alone: list[tuple[list[float], float]] = []
    many: list[list[float]] = []
    with SideProcess(djl.BUILD / "first-token.log", "bench.first_token_side") as side:
        side.ask("added", 1, 3)
        for _ in range(pairs):
            alone.append(side.ask("added", 1, requests))
            many.append(side.ask("added", together, max(1, requests // 10))[0])
    medians = [(stats.percentile(added, 50), loop) for added, loop in alone]
    return stats.told(
        [
            *stats.calibrated("first_token/added_p50/1", medians, BAR),
            stats.plain("first_token/added_p99/1", [stats.percentile(added, 99) for added, _ in alone], "ms"),
            stats.plain(
                f"first_token/added_p50/{together}", [stats.percentile(added, 50) for added in many], "ms"
            ),
        ]
    )
