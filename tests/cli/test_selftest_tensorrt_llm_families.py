"""`djl-trtllm selftest` on every family where TensorRT-LLM and GPUs seem to be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.stand_in_selftests import run

pytestmark = [pytest.mark.long, pytest.mark.compile, pytest.mark.timeout(1800)]


def test_every_family(tmp_path: Path) -> None:
    content = run("1.2~", tmp_path, 21, "--quantize", "none")
    assert {case["family"] for case in content["cases"]} >= {
        "llama",
        "falcon",
        "baichuan",
        "gptj",
        "qwen3_moe",
    }
