"""Costs by counting, which no busy machine changes: `python -m bench.counts` compares them with the budget.

`--write` makes them the budget.
"""

from __future__ import annotations

import argparse
import sys

from bench import budget, djl


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.counts", description=__doc__)
    parser.add_argument("--write", action="store_true", help="make what is counted now the budget")
    given = parser.parse_args(arguments)
    djl.extract(djl.VERSIONS[0])
    counts = budget.measure()
    before, room = budget.allowed(sys.version_info[:2], budget.read()) if budget.FILE.exists() else ({}, 0.0)
    for form, parts in counts.items():
        for part, found in parts.items():
            for what, count in found.items():
                old = before.get(form, {}).get(part, {}).get(what)
                print(f"{form + ', ' + what + ' per ' + part:<40} {count:10.2f}   budget {old}")
    if given.write:
        budget.write(counts)
        print(f"written to {budget.FILE}")
        return 0
    over = budget.exceeded(counts, before, room) if before else []
    for line in over:
        print(f"over its budget: {line}")
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
