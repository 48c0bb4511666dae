"""Throughput: tokens a second through the handler ÷ OpenVINO's own loop in one process, SmolLM2-135M int8.

Both sides use one compiled model, the same pipeline settings, prompts and greedy answers of a fixed length with
their log-probs. The handler's side has everything the worker has: DJL's frames read by djl_python, the loop, text and
the child process that runs the engine.
"""

from __future__ import annotations

from bench import djl, stats
from bench.process import SideProcess
from bench.stats import Bar, Figure

BAR = Bar(0.99, at_least=True)
STREAMS = (8, 32, 64)
VERSION = djl.VERSIONS[0]


def run(pairs: int, *, streams: tuple[int, ...] = STREAMS) -> list[Figure]:
    """Measure and return one judged ratio per number of streams, and both sides' tokens a second."""
    djl.extract(VERSION)
    figures = []
    with _side("handler") as handler:
        model = handler.ask("model")
        with _side("raw", model) as raw:
            for count in streams:
                figures += _compare(handler, raw, count, pairs)
    return figures


def _side(name: str, *model: str) -> SideProcess:
    return SideProcess(djl.BUILD / f"throughput-{name}.log", "bench.throughput_side", name, *model)


def _compare(handler: SideProcess, raw: SideProcess, streams: int, pairs: int) -> list[Figure]:
    for side in (handler, raw):
        side.ask("run", streams)
    measured = stats.alternate(lambda: handler.ask("run", streams), lambda: raw.ask("run", streams), pairs)
    return stats.told(
        [
            stats.ratio(f"throughput/ratio/{streams}", measured, BAR, "of the raw loop's"),
            stats.plain(f"throughput/handler/{streams}", [ours for ours, _ in measured], "tokens/s"),
            stats.plain(f"throughput/raw/{streams}", [theirs for _, theirs in measured], "tokens/s"),
        ]
    )
