from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest

from djl_trtllm.engines import registry
from djl_trtllm.engines.registry import Machine
from djl_trtllm.engines.trtllm.gpus import Gpu
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import OptionsError
from djl_trtllm.options import sources

A100 = Gpu("NVIDIA A100", "8.0", 40 * 2**30)
T4 = Gpu("Tesla T4", "7.5", 16 * 2**30)


def options(**values: str):
    return sources.read(values, {})


@pytest.fixture(autouse=True)
def _runtimes(monkeypatch: pytest.MonkeyPatch) -> None:
    named = {name: lambda name=name: SimpleNamespace(name=name) for name in registry._RUNTIMES}
    monkeypatch.setattr(registry, "_RUNTIMES", named)
    on(monkeypatch, None)


def on(monkeypatch: pytest.MonkeyPatch, release: str | None, *devices: Gpu) -> None:
    machine = Machine(Release.of(release) if release else None, devices)
    monkeypatch.setattr(Machine, "here", lambda: machine)


def problems(team_size: int = 1, **values: str) -> list[str]:
    with pytest.raises(OptionsError) as caught:
        registry.choose(options(**values), team_size)
    return list(caught.value.problems)


def test_this_machine_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    here = Machine.here()
    assert here.release is None
    assert list(here.devices) == []


@pytest.mark.parametrize("values", [{}, {"runtime": "openvino"}, {"tensor_parallel_degree": "1"}])
def test_openvino_is_chosen_without_a_gpu(values: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert registry.choose(options(**values), 1).name == "openvino"
    why = "option runtime names it" if "runtime" in values else "no GPU is visible"
    assert [record.message for record in caplog.records] == [f"runtime openvino: {why}"]


@pytest.mark.parametrize(
    ("release", "name", "why"),
    [
        ("0.8.0", "trtllm", "2 GPUs (NVIDIA A100) and TensorRT-LLM 0.8.0 are here"),
        ("1.2.1", "trtllm", "2 GPUs (NVIDIA A100) and TensorRT-LLM 1.2.1 are here"),
        ("1.3.0rc3", "trtllm-pytorch", "2 GPUs (NVIDIA A100) and TensorRT-LLM 1.3.0rc3 are here"),
        (None, "openvino", "there are 2 GPUs (NVIDIA A100), but tensorrt_llm is not installed"),
    ],
)
def test_auto_takes_what_the_machine_has(
    release: str | None,
    name: str,
    why: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    on(monkeypatch, release, A100, A100)
    caplog.set_level(logging.INFO)
    assert registry.choose(options(), 1).name == name
    assert [record.message for record in caplog.records] == [f"runtime {name}: {why}"]


def test_tensorrt_llm_without_a_gpu_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "0.12.0")
    assert registry.choose(options(), 1).name == "openvino"


@pytest.mark.parametrize("runtime", ["trtllm", "trtllm-pytorch"])
def test_a_runtime_that_cannot_be_is_refused_with_all_that_is_missing(runtime: str) -> None:
    found = problems(runtime=runtime)
    assert len(found) == 2
    assert found[0].startswith(
        f"runtime={runtime} (from serving.properties) needs an NVIDIA GPU, and none is"
    )
    assert "needs the package tensorrt_llm, which is not installed" in found[1]
    assert all("option.runtime=openvino" in problem for problem in found)


def test_engines_ended_with_1_3(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "1.3.0rc3", A100)
    (found,) = problems(runtime="trtllm")
    assert found == (
        "TensorRT-LLM 1.3.0rc3 cannot build or run engines any more. Install tensorrt_llm<1.3, or set"
        " option.runtime=trtllm-pytorch with engine=Python."
    )


def test_too_old_releases_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "0.7.1", A100)
    assert problems(runtime="trtllm") == [
        "TensorRT-LLM 0.7.1 is too old: 0.8 to 1.2 are taken. Use 0.12 or later."
    ]
    on(monkeypatch, "0.21.0", A100)
    (found,) = problems(runtime="trtllm-pytorch")
    assert found.startswith(
        "TensorRT-LLM 0.21.0 has no PyTorch backend that is taken here. Use TensorRT-LLM 1.0"
    )


@pytest.mark.parametrize(
    ("values", "ranks"),
    [
        ({}, 1),
        ({}, 4),
        ({"tensor_parallel_degree": "max"}, 2),
        ({"tensor_parallel_degree": "4"}, 4),
        ({"tensor_parallel_degree": "2", "pipeline_parallel_degree": "2"}, 4),
        ({"pipeline_parallel_degree": "2"}, 4),
    ],
)
def test_the_world_that_fits(values: dict[str, str], ranks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "0.12.0", A100)
    assert registry.choose(options(**values), ranks).name == "trtllm"


def test_a_world_that_does_not_fit_names_both_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "0.12.0", A100)
    assert problems(2, tensor_parallel_degree="4") == [
        "tensor_parallel_degree=4 (from serving.properties) needs 4 ranks, but 2 MPI ranks were started. Set"
        " tensor_parallel_degree=2, or start 4 ranks with engine=MPI on 4 GPUs."
    ]
    (found,) = problems(1, tensor_parallel_degree="2", pipeline_parallel_degree="2")
    assert "with pipeline_parallel_degree=2 needs 4 ranks, but 1 MPI rank was started" in found
    (found,) = problems(3, pipeline_parallel_degree="2")
    assert "pipeline_parallel_degree=2 (from serving.properties) does not divide the 3 MPI ranks" in found


def test_max_without_ranks_would_leave_gpus_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "0.12.0", A100, A100)
    assert problems(1, tensor_parallel_degree="max") == [
        "tensor_parallel_degree=max (from serving.properties) means 2 GPUs here, but one process was started and each"
        " runs one GPU. Set engine=MPI, or tensor_parallel_degree=1."
    ]
    assert registry.choose(options(tensor_parallel_degree="max"), 2).name == "trtllm"
    on(monkeypatch, "0.12.0", A100)
    assert registry.choose(options(tensor_parallel_degree="max"), 1).name == "trtllm"


def test_the_pytorch_backend_is_for_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "1.0.0", A100, A100)
    (found,) = problems(2, runtime="trtllm-pytorch")
    assert "2 MPI ranks were started. Set engine=Python" in found
    assert registry.choose(options(runtime="pytorch"), 1).name == "trtllm-pytorch"


def test_what_a_gpu_is_too_old_for(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, "0.12.0", A100, T4)
    found = problems(dtype="bf16", quantize="fp8", use_fp8_context_fmha="true")
    assert [problem.split(" (from")[0] for problem in found] == [
        "dtype=bf16",
        "quantize=fp8",
        "use_fp8_context_fmha=true",
    ]
    assert (
        "needs compute capability 8.9; Tesla T4 has 7.5. Choose another quantize, or use a newer GPU."
        in found[1]
    )
    on(monkeypatch, "0.12.0", A100)
    assert registry.choose(options(dtype="bf16"), 1).name == "trtllm"


def test_parallel_degrees_are_refused_with_the_runtime_that_can() -> None:
    found = problems(tensor_parallel_degree="4", pipeline_parallel_degree="2")
    assert len(found) == 2
    assert all("needs the runtime trtllm" in problem for problem in found)
    assert all("what this machine has (no GPU is visible)" in problem for problem in found)


def test_more_than_one_rank_is_refused() -> None:
    with pytest.raises(OptionsError, match="2 MPI ranks were started"):
        registry.choose(options(), 2)


def test_max_means_one_on_a_cpu() -> None:
    assert registry.choose(options(tensor_parallel_degree="max"), 1).name == "openvino"


@pytest.mark.parametrize(
    ("values", "gpus", "ranks"),
    [
        ({}, 4, 1),
        ({"tensor_parallel_degree": "2"}, 4, 2),
        ({"tensor_parallel_degree": "max"}, 4, 4),
        ({"tensor_parallel_degree": "max", "pipeline_parallel_degree": "2"}, 4, 4),
        ({"pipeline_parallel_degree": "2"}, 4, 2),
        ({"tensor_parallel_degree": "max"}, 0, 1),
        ({"tensor_parallel_degree": "2", "runtime": "pytorch"}, 4, 1),
        ({"tensor_parallel_degree": "2", "runtime": "openvino"}, 4, 1),
    ],
)
def test_how_many_ranks_a_model_has(
    values: dict[str, str], gpus: int, ranks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(monkeypatch, "0.12.0", *[A100] * gpus)
    assert registry.ranks_of(options(**values)) == ranks


def test_the_reason_is_that_of_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert registry.reason(options()) == "no GPU is visible"
    assert registry.reason(options(runtime="openvino")) == "option runtime names it"
    on(monkeypatch, "0.12.0", A100)
    assert registry.reason(options()).endswith("and TensorRT-LLM 0.12.0 are here")


def test_versions_are_of_what_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert list(registry.libraries("openvino")) == ["openvino", "openvino-genai", "tokenizers"]
    on(monkeypatch, "0.12.0", A100)
    found = registry.libraries("trtllm")
    assert found["tensorrt_llm"] == "0.12.0"
    assert "tensorrt" not in found, "it is not installed here"
