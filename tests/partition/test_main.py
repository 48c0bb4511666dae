"""The script from end to end in one process, with TensorRT-LLM's stand-in: what it makes is served as it is."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm import service
from djl_trtllm.compile import manifest
from djl_trtllm.core import CompiledModel
from djl_trtllm.engines.trtllm import gpus
from djl_trtllm.engines.trtllm.gpus import Gpu
from djl_trtllm.errors import CompileError
from djl_trtllm.local import properties
from djl_trtllm.model.locate import locate
from djl_trtllm.options.table import Options
from djl_trtllm.partition import main, rank
from djl_trtllm.ranks import launch
from djl_trtllm.rolling_batch.admit import Arrival
from djl_trtllm.service import Service
from tests.contract.tensorrt_llm_stand_in import expected_tokens, installed, write_engine
from tests.support import loop
from tests.support.lmi_repositories import BY_CONFIG, BY_DIRECTORIES, valid_for
from tests.support.plans import Stages
from tests.support.server import ROOT

VOCABULARY = 1000
SCRIPT = ROOT / "docker" / "lmi" / "trt_llm_partition.py"


@pytest.fixture(autouse=True)
def _gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "devices", lambda: (Gpu("NVIDIA A10G", "8.6", 24 << 30),))


def engines(directory: Path, row: str, **values: Any) -> Path:
    """Engines as trtllm-build leaves them, with a tokenizer. DJL 0.27 to 0.32 has them converted: they lie flat."""
    write_engine(directory, row, vocab_size=VOCABULARY, **values)
    for file in loop.tokenizer_files():
        shutil.copy(file, directory)
    return directory


CONTAINERS = {
    "0.27": "0.8.0",
    "0.28": "0.9.0",
    "0.29": "0.11.0",
    "0.30": "0.12.0",
    "0.32": "0.12.0",
    "0.33": "0.21~",
}
"""The TensorRT-LLM of LMI's containers."""


def partition(tmp_path: Path, *more: str, **options: object) -> tuple[int, Path]:
    """Run the script as DJL does; its status, and the repository."""
    pairs = {"engine": "MPI", **{f"option.{name}": str(value) for name, value in options.items()}}
    place = tmp_path / "properties"
    place.mkdir(exist_ok=True)
    (place / "serving.properties").write_text(properties.render(pairs))
    repository = tmp_path / "cache" / "trtllm" / ("0a" * 20)
    arguments = ["--properties_dir", str(place), "--trt_llm_model_repo", str(repository)]
    return main.main([*arguments, "--tensor_parallel_degree", "1", *more]), repository


@contextmanager
def served(model: Path, **options: object) -> Iterator[Service]:
    values = {"model_id": model, "cache_dir": model.parents[1] / "djl_trtllm", **options}
    loaded = service.load({f"option.{name}": str(value) for name, value in values.items()}, {}, 1 << 20)
    assert isinstance(loaded, Service)
    try:
        yield loaded
    finally:
        loaded.close()


def answers(served: Service) -> None:
    body = json.dumps({"inputs": "the fox", "parameters": {"max_new_tokens": 5}}).encode()
    (answer,) = served.answer([Arrival(body, {"Content-Type": "application/json"})])
    tokenizer = loop.tokenizer()
    expected = tokenizer.decode(expected_tokens(tokenizer.encode("the fox"), 5, vocab_size=VOCABULARY))
    assert json.loads(answer.text)["generated_text"] == expected


@pytest.mark.parametrize(
    "djl",
    # TensorRT-LLM 0.8 is opened with torch, whose import takes seconds.
    [pytest.param(djl, marks=pytest.mark.long) if djl == "0.27" else djl for djl in CONTAINERS],
)
def test_what_is_made_is_taken_by_djl_and_served(tmp_path, capsys, djl) -> None:
    row, versions = CONTAINERS[djl], BY_DIRECTORIES if djl in BY_DIRECTORIES else BY_CONFIG
    model = engines(tmp_path / "model", row)
    degrees = [] if djl in ("0.27", "0.28") else ["--pipeline_parallel_degree", "1"]
    kept = {"runtime": "trtllm", "kv_cache_free_gpu_mem_fraction": 0.5}
    with installed(row):
        status, repository = partition(
            tmp_path, *degrees, "--model_path", str(model), model_id="gone", **kept
        )
        output = capsys.readouterr()
        assert (status, output.err) == (0, "")
        assert not output.out.startswith("ERROR ")
        assert f"made the model repository {repository}" in output.out
        assert valid_for(repository) == versions
        shutil.rmtree(model)
        with served(repository, runtime="trtllm") as loaded:
            answers(loaded)
            if versions == BY_DIRECTORIES:
                assert loaded.options.source_of("kv_cache_free_gpu_mem_fraction") == "config.pbtxt"
    written = repository / "serving.properties"
    assert written.exists() == (versions == BY_CONFIG)
    if written.exists():
        pairs = properties.parse(written.read_text())
        assert pairs == {"engine": "MPI", **{f"option.{key}": str(value) for key, value in kept.items()}}


def test_the_manifest_of_what_was_compiled_stays_true(tmp_path, monkeypatch) -> None:
    """Engines that are links to the cache's, with their manifest beside them."""
    model = engines(tmp_path / "model", "0.12.0")
    plan = {"device": "NVIDIA A10G (compute capability 8.6)"}
    manifest.write(model, manifest.Manifest("00", plan, manifest.survey(model)))
    with installed("0.12.0"):
        _, repository = partition(tmp_path, "--model_path", str(model))
        home = repository / "tensorrt_llm" / "1"
        assert (home / "rank0.engine").samefile(model / "rank0.engine")
        manifest.verify(home)
        with served(repository, runtime="trtllm") as loaded:
            answers(loaded)


def test_a_runtime_without_such_repositories_is_sent_to_the_model(tmp_path, capsys, monkeypatch) -> None:
    """On a machine without GPUs the openvino runtime serves the model, and DJL converts all the same."""
    monkeypatch.setattr(gpus, "devices", lambda: ())
    model = tmp_path / "model"
    model.mkdir()
    for name in ("openvino_model.xml", "openvino_model.bin"):
        (model / name).touch()
    for file in loop.tokenizer_files():
        shutil.copy(file, model)
    status, repository = partition(tmp_path, "--model_path", str(model))
    assert status == 0
    assert valid_for(repository) == BY_DIRECTORIES
    assert not list(repository.glob("*/1"))
    found = locate(Options(model_id=str(repository)), {}, Stages())
    assert isinstance(found, CompiledModel)
    assert found.path == model


def last_words(capsys: pytest.CaptureFixture[str]) -> str:
    output = capsys.readouterr()
    assert output.err.startswith("error: ")
    assert output.err.count("\n") == 1
    return output.err


def test_mistakes_are_said_at_once_and_leave_nothing(tmp_path, capsys) -> None:
    status, repository = partition(tmp_path, max_input_len="many", quantize="8bit")
    assert status == 1
    said = last_words(capsys)
    assert "max_input_len=many (from serving.properties)" in said
    assert "quantize=8bit (from serving.properties)" in said
    assert not repository.parent.exists()


def test_a_model_that_is_not_there(tmp_path, capsys) -> None:
    with installed("0.12.0"):
        status, repository = partition(tmp_path, "--model_path", str(tmp_path / "no"))
    assert status == 1
    assert "there is no such directory" in last_words(capsys)
    assert not repository.exists()


def test_a_defect_is_named_after_its_trace(tmp_path, capsys, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(rank, "partition", broken)
    status, _ = partition(tmp_path)
    assert status == 1
    assert last_words(capsys) == "error: Partitioning failed: ZeroDivisionError, see above.\n"


RANKS = """
import os, signal, sys
outcome, how = sys.argv[1], os.environ["HOW"]
if how == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
open(outcome + ".1", "w").write("Rank 1 failed: no memory.\\nTake less." if how == "fails" else "")
if how != "gone":
    open(outcome + ".0", "w").close()
"""


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("fails", r"Rank 1 failed: no memory\. Take less\."),
        ("killed", "ended with status -9 before they were done"),
        ("gone", "ended with status 0 before they were done"),
    ],
)
def test_ranks_that_do_not_end_well(tmp_path, capsys, monkeypatch, how, said) -> None:
    monkeypatch.setattr(launch, "command", lambda module, args, count: [sys.executable, "-c", RANKS, *args])
    monkeypatch.setenv("HOW", how)
    status, _ = partition(tmp_path, "--pipeline_parallel_degree", "2")
    assert status == 1
    with pytest.raises(CompileError, match=said):
        raise CompileError(last_words(capsys))


def test_ranks_that_end_well(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(launch, "command", lambda module, args, count: [sys.executable, "-c", RANKS, *args])
    monkeypatch.setenv("HOW", "well")
    assert partition(tmp_path, "--pipeline_parallel_degree", "2")[0] == 0


SLEEPS = """
import sys
from djl_trtllm.partition import main
from djl_trtllm.ranks import launch

launch.command = lambda module, arguments, count: ["sh", "-c", "echo $$; exec sleep 600"]
sys.exit(main.main(sys.argv[1:]))
"""


def test_ranks_end_when_the_script_is_killed(tmp_path) -> None:
    places = ["--properties_dir", str(tmp_path), "--trt_llm_model_repo", str(tmp_path / "made")]
    command = [sys.executable, "-c", SLEEPS, *places, "--tensor_parallel_degree", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ranks = int(process.stdout.readline())
    assert Path("/proc", str(ranks)).exists()
    process.kill()
    process.wait()
    assert process.stdout.read() == "", "the pipe closes when the last of them has ended"
    process.stdout.close()


def test_the_script_says_how_it_is_called(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--help"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    for name in ("properties_dir", "trt_llm_model_repo", "tensor_parallel_degree", "model_path"):
        assert f"--{name}" in done.stdout
