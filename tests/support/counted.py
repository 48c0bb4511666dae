"""A program whose instructions are counted by a test of the counting: `python -m tests.support.counted <file>`."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

from bench.callgrind import span


def add(times: int) -> None:
    """Do something, so many times."""
    for number in range(times):
        str(number)


if __name__ == "__main__":
    names: list[str] = []
    add(1000)
    for times in (1000, 10_000):
        span(partial(add, times), names.append, str(times))
    Path(sys.argv[1]).write_text(json.dumps(names))
