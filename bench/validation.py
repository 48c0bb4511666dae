"""Validation: CPU time to read and check a body of 4 kB ÷ orjson's to read it at all.

Two kinds of bodies: prose without escapes and few parameters, which orjson reads fastest, and documentation with many
and every common parameter. Each with one prompt after another and the same parameters, as applications send them, and
with parameters that did not come before.
"""

from __future__ import annotations

from bench import djl, stats
from bench.process import SideProcess
from bench.stats import Bar, Figure

BAR = Bar(2.0)
SIZE = 4_096
KINDS = ("plain", "full", "plain_new", "full_new")
ROUNDS = 20_000


def run(pairs: int, *, rounds: int = ROUNDS) -> list[Figure]:
    """Measure, and return the judged ratios and both sides' times."""
    djl.extract(djl.VERSIONS[0])
    with SideProcess(djl.BUILD / "validation.log", "bench.requests_side") as side:
        return [figure for kind in KINDS for figure in _compare(side, kind, pairs, rounds)]


def _compare(side: SideProcess, kind: str, pairs: int, rounds: int) -> list[Figure]:
    def measure(how: str, rounds: int = rounds) -> float:
        return float(side.ask("validate", how, kind, SIZE, rounds))

    for how in ("ours", "orjson"):
        measure(how, max(1, rounds // 10))
    measured = stats.alternate(lambda: measure("ours"), lambda: measure("orjson"), pairs)
    case = f"{kind}/{SIZE}"
    return stats.told(
        [
            stats.ratio(f"validation/ratio/{case}", measured, BAR, "of orjson.loads"),
            stats.plain(f"validation/ours/{case}", [ours for ours, _ in measured], "µs"),
            stats.plain(f"validation/orjson/{case}", [theirs for _, theirs in measured], "µs"),
        ]
    )
