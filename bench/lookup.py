"""Look-up: ms from a plan to its compiled model, a hit, in a cache directory with 1,000 of them.

Each measurement is the first look-up of a fresh process, after its imports and with the manifests in the page cache.
Beside it stand its CPU time, and a look-up where there is one model only. The models' files are small: a look-up reads
no large one.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from bench import djl, lookup_side, stats
from bench.process import SideProcess
from bench.stats import Bar, Figure

BAR = Bar(5.0)
"""Times the calibration loop, which takes about a millisecond."""
ENTRIES = 1_000


def run(pairs: int, *, entries: int = ENTRIES) -> list[Figure]:
    """Fill two cache directories, measure, and return a judged figure and the one beside it."""
    many, one = djl.BUILD / "lookup" / "many", djl.BUILD / "lookup" / "one"
    cpu: list[float] = []
    loops: list[float] = []
    try:
        lookup_side.fill(many, entries)
        lookup_side.fill(one, 1)
        # In the middle: neither the first nor the last that was written.
        measured = stats.alternate(
            lambda: _look(many, entries // 2, cpu, loops), lambda: _look(one, 0), pairs
        )
    finally:
        shutil.rmtree(many.parent, ignore_errors=True)
    figures = [
        *stats.calibrated(
            f"lookup/hit/{entries}", list(zip((first for first, _ in measured), loops, strict=True)), BAR
        ),
        stats.plain(f"lookup/cpu/{entries}", cpu, "ms"),
        stats.plain("lookup/hit/1", [second for _, second in measured], "ms"),
    ]
    return stats.told(figures)


def _look(root: Path, number: int, cpu: list[float] | None = None, loops: list[float] | None = None) -> float:
    with SideProcess(djl.BUILD / "lookup.log", "bench.lookup_side", str(root)) as side:
        taken, of_that, loop = side.ask("look", number)
    if cpu is not None and loops is not None:
        cpu.append(of_that)
        loops.append(loop)
    return float(taken)
