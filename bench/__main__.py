"""`python -m bench`: run the measurements, print every figure beside its bar, record them in build/bench."""

from __future__ import annotations

import argparse
import sys
import time

from bench import handler_cost, stats, throughput
from bench.stats import Figure


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("figures", nargs="*", metavar="figure", help="handler, throughput; default both")
    parser.add_argument("--quick", action="store_true", help="a smoke run: one small pair each, no verdicts")
    parser.add_argument("--pairs", type=int, default=stats.MIN_PAIRS, help="alternating pairs (default 9)")
    given = parser.parse_args(arguments)
    wanted = given.figures or ["handler", "throughput"]
    unknown = set(wanted) - {"handler", "throughput"}
    if unknown:
        parser.error(f"unknown figure {', '.join(sorted(unknown))}: choose from handler, throughput")
    begun = time.monotonic()
    figures: list[Figure] = []
    if "handler" in wanted:
        figures += (
            handler_cost.run(1, streams=(8,), tokens=400) if given.quick else handler_cost.run(given.pairs)
        )
    if "throughput" in wanted:
        figures += throughput.run(1, streams=(2,)) if given.quick else throughput.run(given.pairs)
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
