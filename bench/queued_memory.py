"""Memory of the worker for each request that waits for the engine, beyond its prompt.

What a request keeps is measured with short and with long prompts, and the line through both says what it keeps with
none. The engine's own memory is not part of it. Allocations are counted, so one run is like another, and a third of
the pairs stands for all.
"""

from __future__ import annotations

from bench import djl, stats
from bench.process import SideProcess
from bench.stats import Bar, Figure

BAR = Bar(2_048.0)
REQUESTS = 900
SHORT, LONG = 8, 200
"""Words of a prompt."""


def run(pairs: int, *, requests: int = REQUESTS) -> list[Figure]:
    """Measure, and return the judged bytes without a prompt, and those with a short one."""
    djl.extract(djl.VERSIONS[0])
    measured = stats.alternate(
        lambda: _queued(requests, SHORT), lambda: _queued(requests, LONG), -(-pairs // 3)
    )
    beyond = [short - (long - short) / (LONG - SHORT) * SHORT for short, long in measured * 3][:pairs]
    return stats.told(
        [
            stats.absolute(f"queued_memory/beyond_prompt/{requests}", beyond, BAR, "bytes/request"),
            stats.plain(
                f"queued_memory/{SHORT}_words/{requests}", [short for short, _ in measured], "bytes/request"
            ),
        ]
    )


def _queued(requests: int, words: int) -> float:
    with SideProcess(djl.BUILD / "queued-memory.log", "bench.requests_side") as side:
        return float(side.ask("queued", requests, words))
