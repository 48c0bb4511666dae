"""Handler cost: CPU µs per streamed token, ours ÷ upstream's own, on both djl_python versions.

Ours detokenises; upstream's toolkit stand-in hands out finished text. Both write jsonlines, once as they are and once
with details asked for. Ours is measured in Python and, where there is a C compiler, compiled.
"""

from __future__ import annotations

from pathlib import Path

from bench import compiled, djl, handler_side, stats
from bench.process import SideProcess
from bench.stats import Bar, Figure

BAR = Bar(0.125)
STREAMS = (64, 256, 999)
FORMS = ("jsonlines", "details")
TOKENS_A_RUN = 48_000
"""About this many tokens are timed at once on either side: half a second of upstream's, long enough to be warm."""


def run(
    pairs: int,
    *,
    streams: tuple[int, ...] = STREAMS,
    forms: tuple[str, ...] = FORMS,
    tokens: int = TOKENS_A_RUN,
) -> list[Figure]:
    """Measure every combination and return judged ratios and context lines."""
    figures = []
    packages: dict[str, Path | None] = {"handler": None}
    if compiled.available():
        packages["handler/compiled"] = compiled.package()
    else:
        print("no C compiler: the compiled handler is not measured")
    for version in djl.VERSIONS:
        djl.extract(version)
        for part, package in packages.items():
            with _side("upstream", version) as upstream, _side("ours", version, package) as ours:
                for form in forms:
                    _check(upstream, ours, form, streams[0])
                    for count in streams:
                        case = f"{version}/{form}/{count}"
                        figures += _compare(upstream, ours, part, case, form, count, pairs, tokens)
                if package is None:
                    for count in streams:
                        figures += _wire(ours, f"{version}/{count}", count)
    return figures


def _side(name: str, version: str, package: Path | None = None) -> SideProcess:
    log = djl.BUILD / f"{name}-{version}.log"
    return SideProcess(log, "bench.handler_side", name, version, package=package)


def _check(upstream: SideProcess, ours: SideProcess, form: str, streams: int) -> None:
    expected, got = upstream.ask("texts", streams, form), ours.ask("texts", streams, form)
    if expected != got:
        at = next(i for i, (a, b) in enumerate(zip(expected, got, strict=True)) if a != b)
        raise AssertionError(f"stream {at} differs: upstream {expected[at]!r}, ours {got[at]!r}")


def _compare(
    upstream: SideProcess,
    ours: SideProcess,
    part: str,
    case: str,
    form: str,
    streams: int,
    pairs: int,
    tokens: int,
) -> list[Figure]:
    generations = max(1, round(tokens / streams / handler_side.TOKENS))
    runs: dict[str, list[dict[str, float]]] = {"upstream": [], "ours": []}

    def measure(name: str, side: SideProcess) -> float:
        taken: dict[str, float] = side.ask("run", streams, generations, form)
        runs[name].append(taken)
        return taken["token"]

    for side in (upstream, ours):
        side.ask("run", streams, 1, form)
    measured = stats.alternate(lambda: measure("ours", ours), lambda: measure("upstream", upstream), pairs)
    figures = [stats.ratio(f"{part}/ratio/{case}", measured, BAR, "of upstream's")]
    for name, taken in runs.items():
        figures += [
            stats.plain(f"{part}/cpu/{name}/{case}", [run["token"] for run in taken], "µs/token"),
            stats.plain(f"{part}/wall/{name}/{case}", [run["wall"] for run in taken], "µs/token"),
            stats.plain(f"{part}/admission/{name}/{case}", [run["admission"] for run in taken], "µs/request"),
        ]
    return stats.told(figures)


def _wire(ours: SideProcess, case: str, streams: int) -> list[Figure]:
    """Report djl_python's own reading and sending, which no handler can replace."""
    wire = [ours.ask("wire", streams) for _ in range(3)]
    return stats.told(
        [
            stats.plain(f"handler/djl_python_{way}/{case}", [run[way] for run in wire], "µs/token")
            for way in ("read", "send")
        ]
    )
