"""SECURITY.md: each promise names tests, and they are there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
ROWS = [
    line
    for line in PAGE.partition("## Promises")[2].partition("\n## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith("| promise")
]
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)


def test_every_promise_has_a_test() -> None:
    assert len(ROWS) > 12
    assert all("::test_" in row.rpartition(" | ")[2] for row in ROWS)


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED)))
def test_it_exists(file: str, name: str) -> None:
    tree = ast.parse((ROOT / file).read_bytes())
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_options_and_verbs_exist() -> None:
    from djl_trtllm.options.table import SPECS

    words = re.findall(r"`([a-z_]+)(?:=true)?`", PAGE)
    known = {*SPECS, "tests"}
    assert {word for word in words if "_" in word} <= known
    verbs = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", PAGE)) <= verbs
