"""`djl-trtllm selftest` where TensorRT-LLM and GPUs seem to be: what comes is the stand-in's, so its tokens are the
reference, put into the files that --keep keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.contract.tensorrt_llm_stand_in import environment, expected_tokens
from tests.support import cuda_stub


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
