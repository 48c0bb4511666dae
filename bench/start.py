"""Start on a hit: s of a load that are neither imports, nor the engine's own load, nor waiting for digests.

The model is SmolLM2-135M int8, compiled before. Each measurement is a load of a fresh process that has imported before
what a load imports; the engine's load is `Supervisor.open`, and waiting for digests what the parallel reading of the
files takes longer than everything else.
"""

from __future__ import annotations

import json
from pathlib import Path

from bench import djl, stats
from bench.process import SideProcess
from bench.stats import Bar, Figure

BAR = Bar(300.0)
"""Times the calibration loop, which takes about a millisecond."""
PARTS = {
    "start/whole": "whole",
    "start/engine": "engine",
    "start/digests": "digests",
    "start/imports": "imports",
}


def run(repeats: int) -> list[Figure]:
    """Measure and return a judged figure, and the parts of a start beside it."""
    djl.extract(djl.VERSIONS[0])
    names = djl.BUILD / "start-modules.json"
    names.write_text("[]")
    with _side(names) as first:  # compiles, where that was not done before
        first.ask("start")
    with _side(names) as second:
        second.ask("start")
        names.write_text(json.dumps(second.ask("modules")))
    taken = [_start(names) for _ in range(repeats)]
    figures = [
        *stats.calibrated("start/share", [(one["share"] * 1_000, one["loop"]) for one in taken], BAR),
        *(stats.plain(name, [one[part] for one in taken], "s") for name, part in PARTS.items()),
    ]
    return stats.told(figures)


def _side(names: Path) -> SideProcess:
    return SideProcess(djl.BUILD / "start.log", "bench.start_side", str(names))


def _start(names: Path) -> dict[str, float]:
    with _side(names) as side:
        taken: dict[str, float] = side.ask("start")
    if not taken["hit"]:
        raise AssertionError("a start that was to be a hit was none")
    return taken
