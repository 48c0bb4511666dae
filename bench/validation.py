"""Validation: CPU time to read and check a body of 4 kB with every common parameter ÷ orjson's to read it at all."""

from __future__ import annotations

from bench import djl, stats
from bench.process import SideProcess
from bench.stats import Bar, Figure

BAR = Bar(2.0)
SIZE = 4_096
ROUNDS = 20_000


def run(pairs: int, *, rounds: int = ROUNDS) -> list[Figure]:
    """Measure, and return the judged ratio and both sides' times."""
    djl.extract(djl.VERSIONS[0])
    with SideProcess(djl.BUILD / "validation.log", "bench.requests_side") as side:
        for how in ("ours", "orjson"):
            side.ask("validate", how, SIZE, max(1, rounds // 10))
        measured = stats.alternate(
            lambda: side.ask("validate", "ours", SIZE, rounds),
            lambda: side.ask("validate", "orjson", SIZE, rounds),
            pairs,
        )
    return stats.told(
        [
            stats.ratio(f"validation/ratio/{SIZE}", measured, BAR, "of orjson.loads"),
            stats.plain(f"validation/ours/{SIZE}", [ours for ours, _ in measured], "µs"),
            stats.plain(f"validation/orjson/{SIZE}", [theirs for _, theirs in measured], "µs"),
        ]
    )
