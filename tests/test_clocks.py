"""Durations are told by the monotonic clock: the wall clock may jump at any moment."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1] / "djl_trtllm"

AGES = {"cli/cache.py", "compile/fingerprint.py", "compile/temporary.py"}
"""Files that compare the time of day with that of a file, which is all that a file knows."""

CLOCKS = {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow")}


def reckoned() -> Iterator[str]:
    """Where a time of day is added to, subtracted from, or compared."""
    for file in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.BinOp | ast.Compare) and any(map(is_clock, ast.walk(node))):
                yield file.relative_to(ROOT).as_posix()


def is_clock(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and (ast.unparse(node.func.value).rpartition(".")[2], node.func.attr) in CLOCKS
    )


def test_no_duration_is_told_by_the_time_of_day() -> None:
    assert set(reckoned()) == AGES
