from __future__ import annotations

import json

import pytest

from djl_trtllm.cli.main import main
from djl_trtllm.options import explain
from djl_trtllm.options.guide import GUIDE
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
    assert capsys.readouterr() == ("", "no option fits\n")
    assert main(["options", "nonsense", "--json"]) == 1
    assert json.loads(capsys.readouterr().out) == []


def names(*words: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    assert main(["options", "--json", *words]) == 0
    return {row["name"] for row in json.loads(capsys.readouterr().out)}


def test_by_when_they_count(capsys: pytest.CaptureFixture[str]) -> None:
    build, run = names("--build", capsys=capsys), names("--run", capsys=capsys)
    assert build | run == set(SPECS)
    assert not build & run
    assert {"dtype", "quantize"} <= build
    assert "cache_dir" in run
    assert "max_input_len" in names("--run", "--runtime", "openvino", capsys=capsys)
    assert "max_input_len" in names("--build", "--runtime", "trtllm", capsys=capsys)


def test_by_runtime(capsys: pytest.CaptureFixture[str]) -> None:
    assert "openvino_kv_cache" in names("--runtime", "openvino", capsys=capsys)
    assert "openvino_kv_cache" not in names("--runtime", "trtllm", capsys=capsys)
    assert "tokens_per_block" not in names("--runtime", "openvino", "--build", capsys=capsys)


def test_by_origin(capsys: pytest.CaptureFixture[str]) -> None:
    assert names("--guide", capsys=capsys) == GUIDE
    assert names("--ours", capsys=capsys) == set(SPECS) - GUIDE


def test_a_part_in_markdown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["options", "--markdown", "smoothquant"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + 3
    assert lines[0].startswith("| option |")


def test_markdown_is_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["options", "--markdown"]) == 0
    assert capsys.readouterr().out == explain.as_markdown()
