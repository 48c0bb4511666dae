"""`python -m fuzz`: every target for its share of the time, each in a process of its own; a table at the end."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field

from fuzz import catalog
from fuzz.catalog import OUT, ROOT, Target

STARTING = 120
"""Seconds beyond its share that a target may take: for its imports, and its last input."""
_RUNS = re.compile(r"number_of_executed_units: (\d+)|^#(\d+)\t", re.MULTILINE)
_FINDINGS = ("crash-*", "timeout-*", "oom-*", "leak-*")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one target came to. `findings` are files; a process that ended badly without one is `failed`."""

    target: str
    executions: int
    seconds: float
    failed: bool
    findings: list[str] = field(default_factory=list)

    def line(self) -> str:
        """One line of the table."""
        verdict = "short" if self.failed else "pass"
        found = f"  {', '.join(self.findings)}" if self.findings else ""
        return f"{self.target:<14} {self.executions:>10} executions {self.seconds:>6.0f} s  {verdict}{found}"


def main(arguments: list[str]) -> int:
    """Run targets; 1 when one has found something."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together (default 600)")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="TARGET", help="targets, as --list shows them"
    )
    parser.add_argument("--list", action="store_true", help="only say which targets there are")
    given = parser.parse_args(arguments)
    try:
        targets = catalog.chosen(given.only)
    except ValueError as unknown:
        parser.error(str(unknown))
    if given.list:
        for target in targets:
            print(f"{target.name:<14} {target.says}")
        return 0
    share = max(1, given.seconds // len(targets))
    outcomes = []
    for target in targets:
        print(f"{target.name}: {target.says}, {share} s", flush=True)
        outcomes.append(_run(target, share))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "results.json").write_text(json.dumps([asdict(outcome) for outcome in outcomes], indent=1) + "\n")
    for outcome in outcomes:
        print(outcome.line())
    return 1 if any(outcome.failed for outcome in outcomes) else 0


def _run(target: Target, share: int) -> Outcome:
    target.out.mkdir(parents=True, exist_ok=True)
    log = target.out / "log.txt"
    begun, before = time.monotonic(), _findings(target)
    with log.open("wb") as out:
        child = subprocess.Popen(
            [sys.executable, "-m", "fuzz.run", target.name, str(share)],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
        try:
            status = child.wait(share + STARTING)
        except subprocess.TimeoutExpired:
            child.kill()
            status = child.wait()
    text = log.read_text(errors="replace")
    new = sorted(_findings(target) - before)
    if status != 0:
        print(f"{target.name} ended with status {status}; the end of {log}:", file=sys.stderr)
        print(text[-4000:], file=sys.stderr)
    return Outcome(target.name, executions(text), time.monotonic() - begun, status != 0, new)


def executions(log: str) -> int:
    """Return how many inputs a run has tried, from what it printed."""
    return max((int(a or b) for a, b in _RUNS.findall(log)), default=0)


def _findings(target: Target) -> set[str]:
    return {str(file.relative_to(ROOT)) for pattern in _FINDINGS for file in target.out.glob(pattern)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
