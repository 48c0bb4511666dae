"""`python -m chaos`: put every fault in, print what became of the promises, record it in build/chaos/results.json."""

from __future__ import annotations

import argparse
import sys
import time

from chaos import catalog, child, report
from chaos.catalog import Scenario
from chaos.figure import FAILED, PASS, SHORT, UNDECIDED, Figure
from chaos.scale import Scale


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--only", nargs="+", default=[], metavar="R", help="promises, as --list shows them")
    parser.add_argument("--quick", action="store_true", help="smaller counts, the same bars; minutes")
    parser.add_argument("--list", action="store_true", help="only say what there is")
    given = parser.parse_args(arguments)
    try:
        chosen = catalog.chosen(given.only)
    except ValueError as unknown:
        parser.error(str(unknown))
    if given.list:
        for one in chosen:
            print(f"{one.promise:<4} {one.module:<24} {one.fault}")
        return 0
    return _run(chosen, Scale.QUICK if given.quick else Scale.FULL)


def _run(scenarios: list[Scenario], scale: Scale) -> int:
    figures: list[Figure] = []
    for one in scenarios:
        print(f"\n{one.promise}: {one.fault}", flush=True)
        begun = time.monotonic()
        try:
            measured = child.run(one, scale)
        except Exception as failure:  # the others are worth running all the same
            print(failure, file=sys.stderr, flush=True)
            detail = str(failure).partition(";")[0]
            measured = [Figure(f"{one.promise}.failed", one.fault, None, "", None, detail)]
        for figure in measured:
            print(report.line(figure), flush=True)
        print(f"  {time.monotonic() - begun:.0f} s", flush=True)
        figures += measured
        report.record(
            {one.module: measured}, scale, report.RESULTS
        )  # at once: it stays whatever becomes of the next
    return _verdict(figures, scale)


def _verdict(figures: list[Figure], scale: Scale) -> int:
    counts = {
        verdict: sum(figure.verdict == verdict for figure in figures)
        for verdict in (PASS, SHORT, UNDECIDED, FAILED)
    }
    said = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    print(f"\n{report.table(figures)}\n\n{said} ({scale.value} counts); recorded in {report.RESULTS}")
    return 1 if counts[SHORT] or counts[FAILED] else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
