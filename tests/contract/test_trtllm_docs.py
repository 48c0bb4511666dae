from __future__ import annotations

import re
from pathlib import Path

import djl_trtllm
from tests.contract import trtllm_docs

PACKAGE = Path(str(djl_trtllm.__file__)).parent


def test_the_page_is_current() -> None:
    assert trtllm_docs.PAGE.read_text(encoding="utf-8") == trtllm_docs.current(), (
        "docs/tensorrt-llm.md is not what the data says; run: python -m tests.contract.trtllm_docs"
    )


def test_every_part_has_its_place() -> None:
    assert sorted(trtllm_docs.places()) == sorted(trtllm_docs.parts())


def test_releases_that_were_read_are_not_listed() -> None:
    releases = [line.split(" | ")[0].strip("| ") for line in trtllm_docs.assumed().splitlines()[2:]]
    assert releases == ["1.0", "1.2", "1.3-main-after-2026-07"]


def test_the_log_really_says_what_the_page_quotes() -> None:
    page = trtllm_docs.PAGE.read_text(encoding="utf-8")
    table = page.partition("## When it does not work")[2].partition("\n## ")[0]
    quoted = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    assert len(quoted) > 10
    source = "".join(file.read_text(encoding="utf-8") for file in PACKAGE.rglob("*.py"))
    joined = re.sub(r'"\s*f?"', "", source)
    for text in quoted:
        for part in re.split(r"\.\.\.|\d+", text):
            assert part.strip() in joined, text
