"""docs/troubleshooting.md: every message on it is one that the code has, and nearly all that the code has are on it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from djl_trtllm import errors
from djl_trtllm.doctor.examination import CHECKS

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
OTHERS = "DJL-Serving's own words"
ERRORS = {
    name
    for name, value in vars(errors).items()
    if isinstance(value, type) and issubclass(value, errors.DjlTrtllmError)
}
GAP = "…"
_HOLE = re.compile(r"%(?:\.\d+)?[sdrfg]")


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Section, message, cause and fix of every row."""
    section = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            section = line[3:]
        elif line.startswith("| `") and section:
            message, cause, fix = (cell.strip() for cell in line.strip("|").split(" | "))
            yield section, message.strip("`"), cause, fix


MESSAGES = [message for section, message, _, _ in rows() if section != OTHERS]


def text_of(node: ast.AST) -> str | None:
    """The text of a literal, what is filled in later as a gap; None for anything else."""
    if isinstance(node, ast.Constant):
        return _HOLE.sub(GAP, node.value) if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else GAP for part in node.values)
    return None


@cache
def sources() -> dict[str, ast.Module]:
    files = sorted((ROOT / "djl_trtllm").rglob("*.py"))
    return {str(file.relative_to(ROOT)): ast.parse(file.read_bytes()) for file in files}


@cache
def literals() -> tuple[str, ...]:
    """Every text in the package that is not a docstring."""
    found = {}
    for tree in sources().values():
        nodes = list(ast.walk(tree))
        statements = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        parts = {id(part) for node in nodes if isinstance(node, ast.JoinedStr) for part in node.values}
        for node in nodes:
            text = text_of(node)
            if text and id(node) not in statements | parts:
                found[text] = None
    return tuple(found)


@cache
def parts(message: str) -> tuple[str, ...]:
    return tuple(filter(None, (part.strip() for part in message.split(GAP))))


def is_in(message: str, text: str) -> bool:
    """Whether the parts of a message occur in a text, in their order."""
    at = 0
    for part in parts(message):
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return True


def test_a_message_is_one_that_the_code_has() -> None:
    assert [message for message in MESSAGES if not any(is_in(message, text) for text in literals())] == []
    # What is shorter would be found anywhere.
    assert [message for message in MESSAGES if sum(map(len, message.split(GAP))) < 8] == []


def raised() -> Iterator[tuple[str, str]]:
    """Place and text of every error that is made with a text of its own."""
    for place, tree in sources().items():
        for node in ast.walk(tree):
            name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
            if name in ERRORS and isinstance(node, ast.Call) and node.args:
                text = text_of(node.args[0])
                if text:
                    yield f"{place}:{node.lineno}", text


def test_most_of_what_the_code_raises_is_on_the_page() -> None:
    everything = list(raised())
    missing = [
        f"{place}: {text}" for place, text in everything if not any(is_in(known, text) for known in MESSAGES)
    ]
    assert len(everything) > 150
    assert len(missing) < 0.1 * len(everything), "\n".join(missing)


def test_every_check_is_named() -> None:
    top = PAGE.read_text(encoding="utf-8").partition("\n## ")[0]
    named = re.findall(
        r"`([^`]+)`", "".join(line.split(" | ")[0] for line in top.splitlines() if "| `" in line)
    )
    assert set(named) == set(CHECKS)


def test_every_row_says_what_to_do() -> None:
    found = list(rows())
    assert len(found) > 150
    assert all(cause and fix for _, _, cause, fix in found)
    assert len({message for _, message, _, _ in found}) > 0.97 * len(found)
    assert {section for section, *_ in found} >= {OTHERS, "Compiling", "The cache", "Requests: 400 and 413"}
