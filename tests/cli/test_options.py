from __future__ import annotations

import json

import pytest

from djl_trtllm.cli.main import main
from djl_trtllm.options import explain
from djl_trtllm.options.table import SPECS


def test_the_whole_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["options"]) == 0
    assert capsys.readouterr().out == explain.as_text() + "\n"


def test_some_options_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["options", "--json", "ROTARY", "kv_cache"]) == 0
    names = [row["name"] for row in json.loads(capsys.readouterr().out)]
    assert names == [name for name in SPECS if "rotary" in name or "kv_cache" in name]
    assert len(names) > 5


def test_no_such_option_is_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["options", "nonsense"]) == 1
    assert capsys.readouterr().out == "\n"


def test_markdown_is_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["options", "--markdown"]) == 0
    assert capsys.readouterr().out == explain.as_markdown()
