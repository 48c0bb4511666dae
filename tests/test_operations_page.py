"""docs/operations.md: its options, commands, links and rules are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from djl_trtllm.local import properties
from djl_trtllm.options import sources
from djl_trtllm.options.djl import is_djl_property
from djl_trtllm.options.table import SPECS
from tests.support.snippets import snippets

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = ("docs/operations.md", "SECURITY.md")
TEXT = (DOCS / "operations.md").read_text(encoding="utf-8")


def heading(line: str) -> str:
    """The anchor that Git hosts make of a heading."""
    words = re.sub(r"[^\w\- ]", "", line.lstrip("#").strip().lower())
    return words.replace(" ", "-")


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    file = ROOT / page
    for link in re.findall(r"\]\(([^)\s]+)\)", file.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = (file.parent / path).resolve() if path else file
        assert target.is_file(), link
        lines = target.read_text(encoding="utf-8").splitlines()
        assert not anchor or anchor in {heading(line) for line in lines if line.startswith("#")}, link


def test_properties_are_options() -> None:
    shown = [snippet for snippet in snippets("docs/operations.md") if snippet.kind == "properties"]
    assert shown
    for snippet in shown:
        given = {key.removeprefix("option."): value for key, value in properties.parse(snippet.text).items()}
        assert not sources.read(given, {}).warnings


def test_timeouts_are_options_or_djls() -> None:
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)*_(?:timeout|threshold|len|size|dir|remote))`", TEXT))
    assert len(named) > 10
    assert {name for name in named if name not in SPECS and not is_djl_property(name)} <= {"job_queue_size"}


def test_what_to_do_is_said_for_every_rule() -> None:
    rules = set(re.findall(r"alert: (\w+)", (DOCS / "grafana" / "alerts.yaml").read_text(encoding="utf-8")))
    part = TEXT.partition("## What to alert on")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([A-Z]\w+)`", part)) == rules
