"""`python -m bench`: run the measurements, print every figure beside its bar, record them in build/bench."""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from bench import document, machine, page, parts, stats
from bench.stats import Figure


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="ID", help="parts or bars, as --list shows them"
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run: one small pair each, no verdicts")
    parser.add_argument("--pairs", type=int, default=stats.MIN_PAIRS, help="alternating pairs (default 9)")
    parser.add_argument("--list", action="store_true", help="only say what can be measured")
    parser.add_argument(
        "--document", action="store_true", help="only write what is recorded into docs/performance.md"
    )
    given = parser.parse_args(arguments)
    if given.pairs < 1:
        parser.error(f"--pairs {given.pairs}: at least one is needed, and {stats.MIN_PAIRS} for a verdict")
    try:
        chosen = parts.chosen(given.only)
    except ValueError as unknown:
        parser.error(str(unknown))
    if given.list:
        for part in chosen:
            print(f"{part.name:<14} {', '.join(part.bars):<8} {part.says}")
        return 0
    if given.document:
        return document.main()
    return _measure(chosen, given.pairs, quick=given.quick)


def _measure(chosen: list[parts.Part], pairs: int, *, quick: bool) -> int:
    begun, described = time.monotonic(), machine.describe()
    for name, value in described.lines():
        print(f"{name}: {value}")
    figures: list[Figure] = []
    failed: list[str] = []
    for part in chosen:
        print(f"\n{' '.join((part.name, *part.bars))}: {part.says}", flush=True)
        started = time.monotonic()
        try:
            measured = part.quick() if quick else part.run(pairs)
        except Exception:  # the others are worth measuring all the same
            traceback.print_exc()
            failed.append(part.name)
            continue
        print(f"{part.name} took {time.monotonic() - started:.0f} s", flush=True)
        figures += measured
        if not quick:  # at once, so that what was measured is there whatever becomes of the next part
            stats.record(measured)
            machine.record(described, [part.name])
    if figures and not quick:
        _show(figures)
    if quick:
        print("quick run: nothing recorded, nothing judged")
    print(f"{time.monotonic() - begun:.0f} s")
    if failed:
        print(f"failed, see above: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _show(figures: list[Figure]) -> None:
    written = page.write()
    print(f"\nrecorded in {stats.RESULTS}, {stats.CONTEXT} and {machine.FILE}; {written} shows them:")
    for figure in figures:
        if figure.bar:
            print(figure)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
