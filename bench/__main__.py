"""`python -m bench`: run the measurements, print every figure beside its bar, record them in build/bench."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from bench import handler_cost, lookup, start, stats, throughput
from bench.stats import Figure

FIGURES: dict[str, tuple[Callable[[int], list[Figure]], Callable[[], list[Figure]]]] = {
    "lookup": (lookup.run, lambda: lookup.run(1, entries=20)),
    "start": (start.run, lambda: start.run(1)),
    "handler": (handler_cost.run, lambda: handler_cost.run(1, streams=(8,), tokens=400)),
    "throughput": (throughput.run, lambda: throughput.run(1, streams=(2,))),
}
"""What can be measured: in full with so many pairs, and quickly."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    names = ", ".join(FIGURES)
    parser.add_argument("figures", nargs="*", metavar="figure", help=f"{names}; default all")
    parser.add_argument("--quick", action="store_true", help="a smoke run: one small pair each, no verdicts")
    parser.add_argument("--pairs", type=int, default=stats.MIN_PAIRS, help="alternating pairs (default 9)")
    given = parser.parse_args(arguments)
    unknown = set(given.figures) - set(FIGURES)
    if unknown:
        parser.error(f"unknown figure {', '.join(sorted(unknown))}: choose from {names}")
    begun = time.monotonic()
    figures: list[Figure] = []
    for name, (whole, quick) in FIGURES.items():
        if name in (given.figures or FIGURES):
            figures += quick() if given.quick else whole(given.pairs)
    judged = [figure for figure in figures if figure.bar]
    if given.quick:
        print("quick run: nothing recorded, nothing judged")
    else:
        stats.record(figures)
        print(f"\nrecorded in {stats.RESULTS} and {stats.CONTEXT}:")
        for figure in judged:
            print(figure)
    print(f"{time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
