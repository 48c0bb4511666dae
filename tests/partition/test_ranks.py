"""The script under a real mpirun: engines for two ranks, which need no compiling, become a repository."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract import tensorrt_llm_stand_in as stand_in
from tests.support import cuda_stub, loop
from tests.support.lmi_repositories import BY_DIRECTORIES, valid_for
from tests.support.server import ROOT

ROW = "0.12.0"
GPU = {"name": cuda_stub.A100, "capability": "8.0", "count": 2}


def partition(directory: Path, model: Path) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        str(ROOT / "docker" / "lmi" / "trt_llm_partition.py"),
        "--properties_dir",
        str(directory),
    ]
    command += ["--trt_llm_model_repo", str(directory / "made"), "--model_path", str(model)]
    command += ["--tensor_parallel_degree", "2"]
    environment = {
        **os.environ,
        **stand_in.environment(ROW, gpu=GPU),
        **cuda_stub.environment(2),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "TMPDIR": "/tmp",  # the path of a session directory must be short
        "DJL_CACHE_DIR": str(directory / "cache"),
    }
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=200)


def test_two_ranks(tmp_path) -> None:
    model = tmp_path / "model"
    stand_in.write_engine(model, ROW, world=2, vocab_size=1000)
    for file in loop.tokenizer_files():
        shutil.copy(file, model)
    done = partition(tmp_path, model)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "[1,1]<stdout>" in done.stdout
    assert valid_for(tmp_path / "made") == BY_DIRECTORIES
    made = {file.name for file in (tmp_path / "made" / "tensorrt_llm" / "1").iterdir()}
    assert {"rank0.engine", "rank1.engine", "config.json"} <= made


@pytest.mark.long
def test_what_fails_on_every_rank_is_said_once_at_the_end(tmp_path) -> None:
    failed = partition(tmp_path, tmp_path / "no")
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("error: ")
    assert "there is no such directory" in failed.stderr.splitlines()[-1]
    assert valid_for(tmp_path / "made") == ()
