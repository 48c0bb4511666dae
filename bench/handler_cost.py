"""Handler cost: CPU µs per streamed token, ours ÷ upstream's own, on both djl_python versions.

Ours detokenises; upstream's toolkit stand-in hands out finished text. Both write jsonlines.
"""

from __future__ import annotations

from bench import djl, handler_side, stats
from bench.process import SideProcess
from bench.stats import Bar, Figure

BAR = Bar(0.2)
STREAMS = (64, 256, 999)
TOKENS_A_RUN = 48_000
"""About this many tokens are timed at once on either side: half a second of upstream's, long enough to be warm."""


def run(pairs: int, *, streams: tuple[int, ...] = STREAMS, tokens: int = TOKENS_A_RUN) -> list[Figure]:
    """Measure every combination and return judged ratios and context lines."""
    figures = []
    for version in djl.VERSIONS:
        djl.extract(version)
        with _side("upstream", version) as upstream, _side("ours", version) as ours:
            _check(upstream, ours, streams[0])
            for count in streams:
                figures += _compare(upstream, ours, version, count, pairs, tokens)
    return figures


def _side(name: str, version: str) -> SideProcess:
    return SideProcess(djl.BUILD / f"{name}-{version}.log", "bench.handler_side", name, version)


def _check(upstream: SideProcess, ours: SideProcess, streams: int) -> None:
    expected, got = upstream.ask("texts", streams), ours.ask("texts", streams)
    if expected != got:
        at = next(i for i, (a, b) in enumerate(zip(expected, got, strict=True)) if a != b)
        raise AssertionError(f"stream {at} differs: upstream {expected[at]!r}, ours {got[at]!r}")


def _compare(
    upstream: SideProcess, ours: SideProcess, version: str, streams: int, pairs: int, tokens: int
) -> list[Figure]:
    generations = max(1, round(tokens / streams / handler_side.TOKENS))
    runs: dict[str, list[dict[str, float]]] = {"upstream": [], "ours": []}

    def measure(name: str, side: SideProcess) -> float:
        taken: dict[str, float] = side.ask("run", streams, generations)
        runs[name].append(taken)
        return taken["token"]

    for side in (upstream, ours):
        side.ask("run", streams, 1)
    measured = stats.alternate(lambda: measure("ours", ours), lambda: measure("upstream", upstream), pairs)
    wire = [ours.ask("wire", streams) for _ in range(3)]
    suffix = f"/{version}/{streams}"
    figures = [stats.ratio(f"handler_us_per_token{suffix}", measured, BAR, "of upstream's")]
    for name, taken in runs.items():
        figures += [
            stats.plain(f"handler_cpu_{name}{suffix}", [run["token"] for run in taken], "µs/token"),
            stats.plain(f"handler_wall_{name}{suffix}", [run["wall"] for run in taken], "µs/token"),
            stats.plain(f"admission_cpu_{name}{suffix}", [run["admission"] for run in taken], "µs/request"),
        ]
    figures += [
        stats.plain(f"djl_python_read{suffix}", [run["read"] for run in wire], "µs/token"),
        stats.plain(f"djl_python_send{suffix}", [run["send"] for run in wire], "µs/token"),
    ]
    for figure in figures:
        print(figure, flush=True)
    return figures
