"""The parts of docs/tensorrt-llm.md that are made of data: `python -m tests.contract.trtllm_docs` writes them anew."""

from __future__ import annotations

import re
from pathlib import Path

from djl_trtllm.engines.trtllm import option_docs
from djl_trtllm.selftest.reference import FLOORS, MARGINS
from tests.contract.tensorrt_llm_stand_in.rows import contract, names

PAGE = Path(__file__).parents[2] / "docs" / "tensorrt-llm.md"
_PART = re.compile(r"(<!-- made of data: (\w+) -->\n).*?(\n<!-- end -->)", re.DOTALL)


def parts() -> dict[str, str]:
    """Every part by its name."""
    return {
        "families": option_docs.families_as_markdown(),
        "options": option_docs.as_markdown(),
        "assumed": assumed(),
        "margins": margins(),
    }


def current() -> str:
    """The whole page, its parts made anew."""
    made = parts()
    return _PART.sub(lambda match: match[1] + made[match[2]] + match[3], PAGE.read_text(encoding="utf-8"))


def places() -> list[str]:
    """The names of the parts that the page has."""
    return [match[2] for match in _PART.finditer(PAGE.read_text(encoding="utf-8"))]


def assumed() -> str:
    """The entries of the contract that nobody has read for their release."""
    lines = ["| release | entries | assumed | which |", "|---|---|---|---|"]
    for row in names():
        entries = {s: e for s, e in contract()[row].items() if isinstance(e, dict) and "evidence" in e}
        found = sorted({_short(s) for s, e in entries.items() if str(e["evidence"]).startswith("assumed")})
        if found:
            which = ", ".join(f"`{name}`" for name in found)
            lines.append(f"| {row.rstrip('~')} | {len(entries)} | {len(found)} | {which} |")
    return "\n".join(lines)


def margins() -> str:
    """What the selftest allows."""
    near = ", ".join(f"{margin:g} for {dtype}" for dtype, margin in MARGINS.items())
    floors = ", ".join(f"{floor:.0%} for {kind}" for kind, floor in FLOORS.items())
    return f"Margins: {near}. Floors: {floors}."


def _short(symbol: str) -> str:
    return symbol.removeprefix("tensorrt_llm.").removeprefix("bindings.").removeprefix("llmapi.")


if __name__ == "__main__":
    PAGE.write_text(current(), encoding="utf-8")
