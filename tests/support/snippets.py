"""The fenced blocks of a Markdown page, with what stands before them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)
_NEEDS = re.compile(r"<!-- needs: (?P<what>[^>]*?) -->\s*\Z")


@dataclass(frozen=True)
class Snippet:
    """One block. `needs` is what an engine must have for it beyond what the demo's has, "" for nothing."""

    page: str
    line: int
    kind: str
    text: str
    needs: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def snippets(page: str) -> list[Snippet]:
    """The blocks of a page of the project, in order."""
    whole = (ROOT / page).read_text(encoding="utf-8")
    found = []
    for block in _BLOCK.finditer(whole):
        before = whole[: block.start()]
        needs = _NEEDS.search(before)
        found.append(
            Snippet(
                page, before.count("\n") + 1, block["kind"], block["text"], needs["what"] if needs else ""
            )
        )
    return found
