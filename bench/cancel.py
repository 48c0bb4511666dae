"""Cancelling: steps of an OpenVINO engine from the call until the memory of the cancelled sequence is free.

A step that runs cannot be stopped, so about half a step is the least there can be.
"""

from __future__ import annotations

from bench import djl, stats
from bench.process import SideProcess
from bench.stats import Bar, Figure

BAR = Bar(1.0)


def run(pairs: int) -> list[Figure]:
    """Measure, and return the judged steps and the time of one."""
    djl.extract(djl.VERSIONS[0])
    with SideProcess(djl.BUILD / "cancel-compile.log", "bench.throughput_side", "handler") as handler:
        model = handler.ask("model")
    with SideProcess(djl.BUILD / "cancel.log", "bench.cancel_side", model) as side:
        side.ask("run")
        taken = [side.ask("run") for _ in range(pairs)]
    return stats.told(
        [
            stats.absolute("cancel/free", [one["free"] for one in taken], BAR, "steps"),
            stats.plain("cancel/step", [one["step"] for one in taken], "ms"),
        ]
    )
