"""docs/artifacts.md: its options are valid, its log lines are those that are said, its links lead somewhere."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from djl_trtllm.compile import manifest
from djl_trtllm.compile.cache import ensure
from djl_trtllm.compile.plan import key
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.compile.store import Store
from djl_trtllm.options import sources
from djl_trtllm.ranks import Solo
from tests.support.plans import Stages, build, compiled, plan
from tests.support.snippets import ROOT, snippets

PAGE = ROOT / "docs" / "artifacts.md"
BLOCKS = snippets("docs/artifacts.md")


def shape(line: str) -> str:
    """A log line without what differs from run to run."""
    line = re.sub(r"compiling \S+ into \S+", "compiling KEY into PLACE", line)
    line = re.sub(r"\b[0-9a-f]{12}\b", "KEY", line)
    line = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME", line)
    return re.sub(r"[\d.]+ s\b", "SECONDS", line)


def test_options_are_valid() -> None:
    shown = [block.text for block in BLOCKS if block.kind == "properties"]
    shown += [text for text in re.findall(r"`(option\.\w+=[^`…]+)`", PAGE.read_text()) if "..." not in text]
    assert len(shown) >= 6
    for text in shown:
        values = dict(line.split("=", 1) for line in text.split())
        assert not sources.read(values, {}).warnings


def test_log_lines_are_those_that_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (block,) = [block for block in BLOCKS if block.text.startswith("cache hit")]
    caplog.set_level(logging.INFO)
    named = {"model_id": ("org/model", "serving.properties")}
    for wanted in (plan(), plan(), plan(quantize="int8")):
        ensure(Recipe(wanted, build, options=named), Solo(), CacheSettings(tmp_path), Stages())
    said = {shape(line) for line in caplog.messages}
    for line in block.text.splitlines():
        assert shape(line) in said


def test_the_layout_is_what_is_there(tmp_path: Path) -> None:
    (block,) = [block for block in BLOCKS if block.text.startswith("artifacts/<key>/")]
    compiled(tmp_path)
    documented = {line.split()[0].split("/")[0] for line in block.text.splitlines()}
    assert {path.name for path in tmp_path.iterdir()} == documented - {"models", "fingerprints.json"}
    assert (tmp_path / "artifacts" / key(plan()) / manifest.NAME).is_file()
    assert [path.name for path in (tmp_path / "used").iterdir()] == [key(plan())]


def test_every_reason_of_a_miss_is_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    text = PAGE.read_text()
    compiled(tmp_path)
    compiled(tmp_path, mode="rebuild")
    (Store(tmp_path).artifact(key(plan())) / "config.json").unlink()
    compiled(tmp_path)
    compiled(tmp_path, quantize="int8")
    ensure(Recipe(plan("other"), build), Solo(), CacheSettings(tmp_path), Stages())
    whys = [line.split("cache miss: ")[1] for line in caplog.messages if line.startswith("cache miss")]
    assert len(whys) == 5
    beginnings = [
        re.split(r"…|\(", row)[0].rstrip() for row in re.findall(r"^\| `([^`]+)`", text, re.MULTILINE)
    ]
    for why in whys:
        assert any(why.startswith(beginning) for beginning in beginnings if len(beginning) > 5), why


def test_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)", PAGE.read_text()):
        assert (PAGE.parent / link).exists(), link
