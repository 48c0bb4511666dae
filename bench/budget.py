"""The budget: counts that the hot path may not exceed, in budget.json; `python -m bench.counts --write` renews them.

Counts of bytecode, calls and memory are the same in every run of one minor version of Python, so a few per cent are
room enough. Another version than those in the file compiles to other bytecode: it is held to the newest one in the
file that is not newer than itself, with more room.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FILE = Path(__file__).with_name("budget.json")
ROOM = 0.03
ROOM_ELSEWHERE = 0.25
SLACK = {"bytes": 64.0, "peak": 64.0}
"""What a count may be off by whatever its size; for counts of single things it is a half."""
STALE = 0.1
"""A count that is below its budget by more than this part asks for a new one, or the next loss would hide there."""

Counts = dict[str, dict[str, dict[str, float]]]
"""By format, by part of a generation, by what is counted."""


def measure() -> Counts:
    """Count, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.budget_side"],
        cwd=FILE.parents[1],
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode:
        raise RuntimeError(f"Counting ended with {done.returncode}:\n{done.stderr[-3000:]}")
    counts: Counts = json.loads(done.stdout)
    return counts


def _environment() -> dict[str, str]:
    """The environment without what would have coverage measured meanwhile: that costs calls and memory too."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS")}
    return {**kept, "PYTHONHASHSEED": "0"}


def allowed(version: tuple[int, int], budgets: dict[str, Counts]) -> tuple[Counts, float]:
    """Return the budget of a version of Python and the room it leaves."""
    known = sorted((_version(name) for name in budgets), reverse=True)
    if not known:
        raise ValueError(f"{FILE.name} holds no budget; write one with `python -m bench.counts --write`.")
    chosen = next((one for one in known if one <= version), known[-1])
    return budgets["{}.{}".format(*chosen)], ROOM if chosen == version else ROOM_ELSEWHERE


def read() -> dict[str, Counts]:
    """The budgets of the file, by version of Python."""
    budgets: dict[str, Counts] = json.loads(FILE.read_text())
    return budgets


def write(counts: Counts) -> None:
    """Make `counts` the budget of this version of Python."""
    budgets = read() if FILE.exists() else {}
    budgets["{}.{}".format(*sys.version_info)] = counts
    FILE.write_text(json.dumps(budgets, indent=1) + "\n")


def exceeded(counts: Counts, budget: Counts, room: float) -> list[str]:
    """Say of every count over its budget by how much it is."""
    return [
        f"{name}: {count:g}, budget {most:g}{f' ({(count - most) / abs(most):+.1%})' if most else ''}"
        for name, count, most in _pairs(counts, budget)
        if count > most + abs(most) * room + _slack(name)
    ]


def stale(counts: Counts, budget: Counts) -> list[str]:
    """Say of every budget that is far above what is used."""
    return [
        f"{name}: {count:g}, budget {most:g}"
        for name, count, most in _pairs(counts, budget)
        if count < most - abs(most) * STALE - _slack(name)
    ]


def _pairs(counts: Counts, budget: Counts) -> Iterator[tuple[str, float, float]]:
    if counts.keys() != budget.keys():
        raise ValueError(f"{FILE.name} is of {sorted(budget)}, counted were {sorted(counts)}: write it anew.")
    for form, parts in counts.items():
        for part, found in parts.items():
            for what, count in found.items():
                yield f"{form}, {what} per {part}", count, budget[form][part][what]


def _slack(name: str) -> float:
    return SLACK.get(name.split(", ")[1].split()[0], 0.5)


def _version(name: str) -> tuple[int, int]:
    major, minor = name.split(".")
    return int(major), int(minor)
