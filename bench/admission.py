"""Admission of a prompt of 64k tokens beside 32 running streams: how much wider their steps become.

The engine's steps take 10 ms. The judged figure is the widest step from the prompt's arrival until its first token, in
multiples of the median step before; beside it stands the widest of as many steps without, which is the machine's own.
"""

from __future__ import annotations

from bench import djl, stats
from bench.process import SideProcess
from bench.stats import Bar, Figure

BAR = Bar(1.1)
STREAMS = 32
TOKENS = 64_000


def run(pairs: int, *, streams: int = STREAMS, tokens: int = TOKENS) -> list[Figure]:
    """Measure and return the judged figure and those beside it."""
    djl.extract(djl.VERSIONS[0])
    with SideProcess(djl.BUILD / "admission.log", "bench.admission_side") as side:
        side.ask("run", streams, min(tokens, 8_000))
        taken = [side.ask("run", streams, tokens) for _ in range(pairs)]
    unit = "times the median step"
    return stats.told(
        [
            stats.absolute(f"admission/widest/{tokens}", [one["widest"] for one in taken], BAR, unit),
            *(
                stats.plain(f"admission/{name}/{tokens}", [one[name] for one in taken], unit)
                for name in ("widest_without", "mean", "mean_without")
            ),
            stats.plain(f"admission/steps/{tokens}", [one["steps"] for one in taken], "steps"),
        ]
    )
