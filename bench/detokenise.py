"""Detokenising, token by token: ours against DecodeStream, a window of two decodes, and transformers' streamer.

A figure is theirs ÷ ours, in CPU time a token: how many times as fast ours is.
"""

from __future__ import annotations

from bench import djl, stats
from bench.process import SideProcess
from bench.stats import Bar, Figure

BARS = {
    "byte-level": {"stream": Bar(1.3, at_least=True), "window": Bar(1.2, at_least=True)},
    "byte-fallback": {"stream": Bar(0.9, at_least=True), "window": Bar(1.2, at_least=True)},
    "wordpiece": {"stream": Bar(0.9, at_least=True), "window": Bar(1.2, at_least=True)},
}
STREAMER = Bar(20.0, at_least=True)
ANSWERS = 61
TOKENS = 256
LONG = 2_048
LONGEST = 8_192


def run(
    pairs: int, *, answers: int = ANSWERS, long: int = LONG, longest: int = LONGEST, streamer: bool = True
) -> list[Figure]:
    """Measure every kind of vocabulary; without the `streamer`, whose import takes seconds, where it is not wanted."""
    figures = []
    for kind, bars in BARS.items():
        with SideProcess(djl.BUILD / f"detokenise-{kind}.log", "bench.detokenise_side", kind) as side:
            side.ask("check", ["ours", *bars], answers, TOKENS)
            for name, bar in bars.items():
                figures += _compare(side, kind, name, bar, (answers, TOKENS), pairs)
            if streamer:
                figures += _compare(side, kind, "streamer", STREAMER, (2, long), pairs)
            figures += _lengths(side, kind, longest, pairs)
    return figures


def _compare(
    side: SideProcess, kind: str, name: str, bar: Bar, case: tuple[int, int], pairs: int
) -> list[Figure]:
    for way in ("ours", name):
        side.ask("run", way, *case)
    measured = stats.alternate(
        lambda: side.ask("run", name, *case), lambda: side.ask("run", "ours", *case), pairs
    )
    tokens = case[1]
    return stats.told(
        [
            stats.ratio(
                f"detokenise/vs_{name}/{kind}/{tokens}", measured, bar, f"times as fast as the {name}"
            ),
            stats.plain(f"detokenise/{name}/{kind}/{tokens}", [theirs for theirs, _ in measured], "µs/token"),
            stats.plain(
                f"detokenise/ours_{name}/{kind}/{tokens}", [ours for _, ours in measured], "µs/token"
            ),
        ]
    )


def _lengths(side: SideProcess, kind: str, longest: int, pairs: int) -> list[Figure]:
    """Report what a token of a long answer costs ÷ one of a short answer: counts of instructions judge that (P8)."""
    short = (4 * longest // 128, 128)
    measured = stats.alternate(
        lambda: side.ask("run", "ours", 4, longest), lambda: side.ask("run", "ours", *short), pairs
    )
    ratios = [long / short for long, short in measured]
    return stats.told(
        [stats.plain(f"detokenise/{longest}_vs_128/{kind}", ratios, "of a token's cost at 128")]
    )
