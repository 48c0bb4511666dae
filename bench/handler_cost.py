"""Handler cost: CPU µs per streamed token, ours ÷ upstream's own, on both djl_python versions.

Ours detokenises; upstream's toolkit stand-in hands out finished text. Both write jsonlines.
"""

from __future__ import annotations

import json
import subprocess
import sys
from types import TracebackType
from typing import Any

from bench import djl, stats
from bench.stats import Bar, Figure

BAR = Bar(0.2)
STREAMS = (64, 256, 999)
TOKENS_A_RUN = 12_000
"""About this many tokens are timed at once on either side: 0.1 to 0.3 s of upstream's."""


class SideProcess:
    """A `bench.handler_side`, asked over its pipes."""

    def __init__(self, name: str, version: str) -> None:
        self.log = djl.BUILD / f"{name}-{version}.log"
        with self.log.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bench.handler_side", name, version],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def __enter__(self) -> SideProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()

    def tail(self) -> str:
        """Return the end of the side's log."""
        return self.log.read_text(errors="replace")[-2000:]

    def ask(self, command: str, *arguments: int) -> Any:
        """Send one command and wait for its answer."""
        if not self.process.stdin or not self.process.stdout:
            raise RuntimeError("The side has no pipes.")
        self.process.stdin.write(json.dumps([command, *arguments]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"A side of the bench ended; the last of its log:\n{self.tail()}")
        return json.loads(line)


def run(pairs: int, *, streams: tuple[int, ...] = STREAMS, tokens: int = TOKENS_A_RUN) -> list[Figure]:
    """Measure every combination and return judged ratios and context lines."""
    figures = []
    for version in djl.VERSIONS:
        djl.extract(version)
        with SideProcess("upstream", version) as upstream, SideProcess("ours", version) as ours:
            _check(upstream, ours, streams[0])
            for count in streams:
                figures += _compare(upstream, ours, version, count, pairs, tokens)
    return figures


def _check(upstream: SideProcess, ours: SideProcess, streams: int) -> None:
    expected, got = upstream.ask("texts", streams), ours.ask("texts", streams)
    if expected != got:
        at = next(i for i, (a, b) in enumerate(zip(expected, got, strict=True)) if a != b)
        raise AssertionError(f"stream {at} differs: upstream {expected[at]!r}, ours {got[at]!r}")


def _compare(
    upstream: SideProcess, ours: SideProcess, version: str, streams: int, pairs: int, tokens: int
) -> list[Figure]:
    generations = max(1, round(tokens / streams / 47))
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
