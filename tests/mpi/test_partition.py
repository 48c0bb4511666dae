"""DJL's conversion step with two ranks, then a server on what it made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract import tensorrt_llm_stand_in as stand_in
from tests.mpi.test_serving import answers_exactly
from tests.support import cuda_stub, tiny
from tests.support.lmi_repositories import BY_DIRECTORIES, valid_for
from tests.support.model_dirs import properties
from tests.support.mpi_jobs import GPU, RANKS, ROW, Place
from tests.support.server import ROOT

pytestmark = [pytest.mark.e2e, pytest.mark.compile, pytest.mark.long]


def partition(place: Place, repository: Path, model: str) -> subprocess.CompletedProcess[str]:
    """Run the script as DJL 0.29 and later do, with the options of `Place.serve`."""
    directory = place.root / "partition"
    directory.mkdir(exist_ok=True)
    options = {
        "rolling_batch": "trtllm",
        "max_rolling_batch_size": 64,
        "max_input_len": 256,
        "max_output_len": 300,
    }
    (directory / "serving.properties").write_text(properties(**options, cache_dir=place.cache))
    script = ROOT / "docker" / "lmi" / "trt_llm_partition.py"
    command = [sys.executable, str(script), "--properties_dir", str(directory)]
    command += ["--trt_llm_model_repo", str(repository), "--tensor_parallel_degree", str(RANKS)]
    command += ["--pipeline_parallel_degree", "1", "--model_path", model]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    log = str(place.root / "partition.jsonl")
    environment = {
        **os.environ,
        **stand_in.environment(ROW, gpu=GPU, log=log),
        **cuda_stub.environment(RANKS),
        "PATH": path,
        "TMPDIR": "/tmp",  # the path of a session directory must be short
    }
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=280)


@pytest.fixture(scope="module")
def repository(compiled: Place) -> Path:
    """What the script makes; compiled before, so that this takes a few seconds."""
    made = compiled.root / "trtllm" / ("0a" * 20)
    done = partition(compiled, made, str(tiny.checkpoint("llama")))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "cache hit" in done.stdout
    return made


def test_every_ranks_engine_is_in_it(compiled: Place, repository: Path) -> None:
    assert valid_for(repository) == BY_DIRECTORIES
    engines = repository / "tensorrt_llm" / "1"
    assert {"rank0.engine", "rank1.engine", "config.json", "manifest.json"} <= {
        f.name for f in engines.iterdir()
    }
    assert compiled.building() == []


def test_what_was_made_is_served(compiled: Place, repository: Path) -> None:
    with compiled.serve(model_id=repository) as server:
        assert compiled.calls("from_hugging_face") == []
        assert "serving the compiled model as it is" in server.log_text()
        answers_exactly(server)
    with compiled.serve(model_id=repository, max_output_len=290) as server:
        assert "max_output_len is 290 and was 300" in server.log_text()
        assert len(compiled.calls("from_hugging_face")) == RANKS, "old engines are not served"
