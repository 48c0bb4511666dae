"""The parts of docs/tensorrt-llm.md that are made of data: `python -m tests.contract.trtllm_docs` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from djl_trtllm.core import Features
from djl_trtllm.engines.trtllm import answers, option_docs
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.selftest.reference import FLOORS, MARGINS
from tests.contract.tensorrt_llm_stand_in.rows import contract, names

PAGE = Path(__file__).parents[2] / "docs" / "tensorrt-llm.md"
_PART = re.compile(r"(<!-- made of data: (\w+) -->\n).*?(\n<!-- end -->)", re.DOTALL)


def _of_engines(release: str) -> Features:
    return answers.of_executor(Release.of(release), 1, min_p=False, guided=True)


def parts() -> dict[str, str]:
    """Every part by its name."""
    return {
        "families": option_docs.families_as_markdown(),
        "options": option_docs.as_markdown(),
        "answers": answered(),
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


ENGINES = (("0.9 to 0.15", "0.9.0"), ("0.16 to 0.21", "0.16.0"), ("1.0 to 1.2", "1.0.0"))
LLM_API = (
    ("1.0", "1.0.0"),
    ("1.1", "1.1.0"),
    ("1.2", "1.2.1"),
    ("1.3, candidates", "1.3.0rc3"),
    ("1.3 and later", "1.3.0"),
)
ANSWERS: Sequence[tuple[str, Features]] = (
    ("engines, 0.8", answers.of_gpt_manager(1)),
    *((f"engines, {name}", _of_engines(release)) for name, release in ENGINES),
    *(
        (f"`trtllm-pytorch`, {name}", answers.of_llm_api(Release.of(release), 1, guided=True))
        for name, release in LLM_API
    ),
)


def answered() -> str:
    """What each release answers besides tokens and their own log-probabilities."""
    lines = [
        "| TensorRT-LLM | `logit_bias` | bad words | `top_logprobs` | log-probs of the prompt | guides |",
        "|---|---|---|---|---|---|",
    ]
    for name, has in ANSWERS:
        single = "yes, of one token each" if "pytorch" in name else "yes"
        cells = (
            "yes" if has.logit_bias else "no",
            single if has.bad_words else "no",
            f"up to {has.top_logprobs}" if has.top_logprobs else "no",
            "yes" if has.prompt_logprobs else "no",
            "yes" if has.guides else "no",
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
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
