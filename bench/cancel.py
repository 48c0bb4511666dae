"""Cancelling: steps of an OpenVINO engine that begin after a cancel and still have the sequence's memory taken.

A step that runs cannot be stopped: the one in which the cancel comes is not counted.
"""

from __future__ import annotations

from bench import djl, stats
from bench.process import SideProcess
from bench.stats import Bar, Figure

BAR = Bar(1.0)


def run(pairs: int) -> list[Figure]:
    """Measure, and return the judged steps, the time from the call to hearing of it, and that of a step."""
    djl.extract(djl.VERSIONS[0])
    with SideProcess(djl.BUILD / "cancel-compile.log", "bench.throughput_side", "handler") as handler:
        model = handler.ask("model")
    with SideProcess(djl.BUILD / "cancel.log", "bench.cancel_side", model) as side:
        side.ask("run")
        taken = [side.ask("run") for _ in range(pairs)]
    return stats.told(
        [
            stats.absolute("cancel/steps", [one["steps"] for one in taken], BAR, "steps"),
            stats.plain("cancel/until_free", [one["taken"] for one in taken], "ms"),
            stats.plain("cancel/step", [one["step"] for one in taken], "ms"),
        ]
    )
