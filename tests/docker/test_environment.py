"""Variables of other containers, as an image's entry script hands them on."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.support.server import ROOT

SCRIPT = ROOT / "docker" / "environment.sh"


def after(**given: str) -> tuple[dict[str, str], str]:
    """What the script has added to these variables, and what it has said."""
    command = ["sh", "-euc", f". {SCRIPT}; env"]
    environ = {"PATH": os.environ["PATH"], **given}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    return {
        k: v for k, v in found.items() if k not in environ and k not in ("PWD", "_", "SHLVL")
    }, done.stderr


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({"HF_MODEL_QUANTIZE": "awq"}, {"OPTION_QUANTIZE": "awq"}),
        ({"HF_MODEL_TRUST_REMOTE_CODE": "true"}, {"OPTION_TRUST_REMOTE_CODE": "true"}),
        ({"HF_MODEL_REVISION": "v1"}, {"HF_REVISION": "v1"}),
        ({"HUGGING_FACE_HUB_TOKEN": "a b"}, {"HF_TOKEN": "a b"}),
        ({"SM_NUM_GPUS": "4"}, {"TENSOR_PARALLEL_DEGREE": "4"}),
        ({"SM_NUM_GPUS": "0"}, {}),
        ({"MAX_CONCURRENT_REQUESTS": "64"}, {"SERVING_JOB_QUEUE_SIZE": "64"}),
        ({"MAX_BATCH_SIZE": "8"}, {"OPTION_MAX_ROLLING_BATCH_SIZE": "8"}),
        ({"MAX_BATCH_PREFILL_TOKENS": "4096"}, {"OPTION_MAX_NUM_TOKENS": "4096"}),
        ({"CUDA_MEMORY_FRACTION": "0.8"}, {"OPTION_KV_CACHE_FREE_GPU_MEM_FRACTION": "0.8"}),
        ({"MAX_INPUT_LENGTH": "512"}, {"OPTION_MAX_INPUT_LEN": "512"}),
        (
            {"MAX_INPUT_TOKENS": "512", "MAX_TOTAL_TOKENS": "800"},
            {"OPTION_MAX_INPUT_LEN": "512", "OPTION_MAX_OUTPUT_LEN": "288"},
        ),
        ({"MAX_TOTAL_TOKENS": "1500"}, {"OPTION_MAX_OUTPUT_LEN": "476"}),
        ({"MAX_TOTAL_TOKENS": "1500", "OPTION_MAX_OUTPUT_LEN": "9"}, {}),
        ({"MAX_INPUT_LENGTH": "512", "OPTION_MAX_INPUT_LEN": "64"}, {}),
        ({"SAGEMAKER_STARTUP_TIMEOUT": "900"}, {"OPTION_MODEL_LOADING_TIMEOUT": "900"}),
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "60"}, {"OPTION_PREDICT_TIMEOUT": "60"}),
        ({"HF_MODEL_QUANTIZE": ""}, {}),
        ({}, {}),
    ],
)
def test_what_is_taken(given, taken) -> None:
    assert after(**given) == (taken, "")


@pytest.mark.parametrize("total", ["many", "1024", "12"])
def test_what_is_not_taken_is_said(total) -> None:
    taken, said = after(MAX_TOTAL_TOKENS=total)
    assert taken == {}
    assert said.startswith(f"MAX_TOTAL_TOKENS={total} is not taken")


def run(script: Path, home: Path, *arguments: str, **given: str) -> list[str]:
    """The command that an entry script runs at its end: a program in its place prints it."""
    environ = {"PATH": os.environ["PATH"], "DJL_CACHE_DIR": str(home / "cache"), **given}
    done = subprocess.run([str(script), *arguments], env=environ, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.fixture
def cpu(tmp_path: Path) -> Path:
    """The entry script of the CPU image where the image has it."""
    home = tmp_path / "opt"
    for name in ("bin", "jars"):
        (home / name).mkdir(parents=True)
    (home / "jars" / "class-path-0.0.0.json").write_text("{}")
    (home / "bin" / "djl-trtllm").write_text('#!/bin/sh\necho "$@"\n')
    (home / "bin" / "djl-trtllm").chmod(0o755)
    (home / "environment.sh").write_text(SCRIPT.read_text())
    (home / "entrypoint.sh").write_text((ROOT / "docker" / "cpu" / "entrypoint.sh").read_text())
    (home / "entrypoint.sh").chmod(0o755)
    return home / "entrypoint.sh"


SERVE = ["serve", "--host", "0.0.0.0", "--port", "8080", "--grace", "15"]


def test_what_the_cpu_image_serves(cpu, tmp_path) -> None:
    store = tmp_path / "model"
    at = {"MODEL_STORE": str(store)}
    assert run(cpu, tmp_path, **at) == [*SERVE, str(store)], "and serve says that nothing is there"
    assert run(cpu, tmp_path, "serve", **at, HF_MODEL_ID="owner/name") == SERVE, "as the environment says"
    assert run(cpu, tmp_path, "serve", **at, MODEL="/models/one") == [*SERVE, "/models/one"]
    store.mkdir()
    assert run(cpu, tmp_path, "serve", **at, HF_MODEL_ID="owner/name") == SERVE
    (store / "serving.properties").touch()
    assert run(cpu, tmp_path, "serve", **at, HF_MODEL_ID="owner/name") == [*SERVE, str(store)]
    assert run(cpu, tmp_path, **at, SAGEMAKER_BIND_TO_PORT="9000")[4] == "9000"
    assert (tmp_path / "cache" / "djl_trtllm" / "jars" / "class-path-0.0.0.json").is_file()


def test_the_cpu_image_runs_other_commands_too(cpu, tmp_path) -> None:
    assert run(cpu, tmp_path, "echo", "one") == ["one"]
