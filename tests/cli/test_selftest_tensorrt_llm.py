"""`djl-trtllm selftest` where TensorRT-LLM and GPUs seem to be: what comes is the stand-in's, so its tokens are the
reference, put into the files that --keep keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.tensorrt_llm_stand_in import environment, expected_tokens
from tests.support import cuda_stub

CHECKS = ["load", "greedy, alone", "greedy, together", "too long prompt", "stop string", "cancel", "seed"]
CHECKS += ["poisoned request", "close"]


def selftest(row: str, *words: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment(row, gpu=cuda_stub.A100), **cuda_stub.environment(2)}
    command = [sys.executable, "-m", "djl_trtllm.cli.main", "selftest", *words]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def prepared(row: str, directory: Path, *words: str) -> Path:
    """Make checkpoints, and references of the stand-in in the place of transformers'."""
    keep = directory / "kept"
    done = selftest(row, *words, "--keep", str(keep), "--prepare")
    assert done.returncode == 0, done.stdout + done.stderr
    for file in keep.glob("*/reference.json"):
        content = json.loads(file.read_text())
        for answer in (*content["answers"], *content["next_tokens"]):
            count = len(answer["tokens"])
            vocabulary = content["vocab_size"]
            answer["tokens"] = expected_tokens(answer["ids"], count, vocab_size=vocabulary, end_id=2)
            answer["gaps"] = [1.0] * count
        file.write_text(json.dumps(content))
    return keep


def run(row: str, directory: Path, count: int, *words: str) -> dict:
    keep = prepared(row, directory, *words)
    report = directory / "report.json"
    done = selftest(row, *words, "--keep", str(keep), "--json", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads(report.read_text())
    assert [case["verdict"] for case in content["cases"]] == ["ok"] * count
    assert (content["well"], content["runtime"]) == (True, "trtllm")
    assert {check["verdict"] for check in content["probe"]} == {"ok"}
    return content


@pytest.mark.compile
@pytest.mark.timeout(900)
def test_two_ranks(tmp_path: Path) -> None:
    content = run("0.12.0", tmp_path, 1, "--ranks", "2", "--families", "llama", "--quantize", "none,fp8")
    (case,) = content["cases"]
    assert [check["name"] for check in case["checks"]] == CHECKS
    assert case["dtype"] == "fp32"
    assert [gpu["name"] for gpu in content["machine"]["gpus"]] == [cuda_stub.A100] * 2
    (refused,) = content["not_supported"]
    assert "needs compute capability 8.9" in refused["why"]
    assert str(tmp_path) not in json.dumps(content)


@pytest.mark.long
@pytest.mark.compile
@pytest.mark.timeout(900)
def test_code_of_its_own_and_a_quantised_model(tmp_path: Path) -> None:
    content = run("1.2~", tmp_path, 2, "--families", "chatglm", "--quantize", "none,int8")
    agreement = [c["message"] for c in content["cases"][1]["checks"] if c["name"] == "agreement"]
    assert agreement == ["100% of 24 next tokens as unquantised, the floor is 80%"]


@pytest.mark.long
@pytest.mark.compile
@pytest.mark.timeout(1800)
def test_every_family(tmp_path: Path) -> None:
    content = run("1.2~", tmp_path, 21, "--quantize", "none")
    assert {case["family"] for case in content["cases"]} >= {
        "llama",
        "falcon",
        "baichuan",
        "gptj",
        "qwen3_moe",
    }
