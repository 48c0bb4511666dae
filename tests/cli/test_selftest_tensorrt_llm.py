"""`djl-trtllm selftest` where TensorRT-LLM and GPUs seem to be: on two ranks, and what is reported."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.stand_in_selftests import run
from tests.support import cuda_stub

pytestmark = [pytest.mark.long, pytest.mark.compile, pytest.mark.timeout(900)]

CHECKS = ["load", "greedy, alone", "greedy, together", "too long prompt", "stop string", "cancel", "seed"]
CHECKS += ["poisoned request", "close"]


def test_two_ranks(tmp_path: Path) -> None:
    content = run("0.12.0", tmp_path, 1, "--ranks", "2", "--families", "llama", "--quantize", "none,fp8")
    (case,) = content["cases"]
    assert [check["name"] for check in case["checks"]] == CHECKS
    assert case["dtype"] == "fp32"
    assert [gpu["name"] for gpu in content["machine"]["gpus"]] == [cuda_stub.A100] * 2
    (refused,) = content["not_supported"]
    assert "needs compute capability 8.9" in refused["why"]
    assert str(tmp_path) not in json.dumps(content)


def test_code_of_its_own_and_a_quantised_model(tmp_path: Path) -> None:
    content = run("1.2~", tmp_path, 2, "--families", "chatglm", "--quantize", "none,int8")
    agreement = [c["message"] for c in content["cases"][1]["checks"] if c["name"] == "agreement"]
    assert agreement == ["100% of 24 next tokens as unquantised, the floor is 80%"]
