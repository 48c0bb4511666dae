"""Throughput over an engine whose steps take 5, 10 or 20 ms, at 256 streams: ours ÷ a loop that only counts.

Says how much of the work between two steps is hidden behind the next step. The engine is a thread of the worker's own
process, the harder case: OpenVINO's pipeline has a process of its own.
"""

from __future__ import annotations

from bench import djl, overlap_side, stats
from bench.process import SideProcess
from bench.stats import Bar, Figure

BARS = {5: Bar(0.93, at_least=True), 10: Bar(0.97, at_least=True), 20: Bar(0.98, at_least=True)}
"""By the step's time in ms."""
STREAMS = 256


def run(pairs: int, *, streams: int = STREAMS, tokens: int = overlap_side.TOKENS) -> list[Figure]:
    """Measure and return one judged ratio per step time, and both sides' tokens a second."""
    djl.extract(overlap_side.VERSION)
    figures = []
    with _side("handler") as handler, _side("raw") as raw:
        for milliseconds, bar in BARS.items():
            figures += _compare(handler, raw, milliseconds, bar, pairs, streams, tokens)
    return figures


def _compare(
    handler: SideProcess,
    raw: SideProcess,
    milliseconds: int,
    bar: Bar,
    pairs: int,
    streams: int,
    tokens: int,
) -> list[Figure]:
    for side in (handler, raw):
        side.ask("run", streams, min(tokens, 16), milliseconds)

    def measure(side: SideProcess) -> float:
        return float(side.ask("run", streams, tokens, milliseconds))

    measured = stats.alternate(lambda: measure(handler), lambda: measure(raw), pairs)
    name = f"{milliseconds}ms/{streams}"
    return stats.told(
        [
            stats.ratio(f"overlap/ratio/{name}", measured, bar, "of the raw loop's"),
            stats.plain(f"overlap/handler/{name}", [ours for ours, _ in measured], "tokens/s"),
            stats.plain(f"overlap/raw/{name}", [theirs for _, theirs in measured], "tokens/s"),
        ]
    )


def _side(name: str) -> SideProcess:
    return SideProcess(djl.BUILD / f"overlap-{name}.log", "bench.overlap_side", name)
