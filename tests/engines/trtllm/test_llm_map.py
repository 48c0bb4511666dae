from __future__ import annotations

import pytest

from djl_trtllm.engines.trtllm import gpus, llm_map
from djl_trtllm.engines.trtllm.gpus import Gpu
from djl_trtllm.engines.trtllm.resolved import Resolved
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.options import sources


def resolved(release: str = "1.2.0", **options: str) -> Resolved:
    return llm_map.resolve(sources.read(options, {}), Release.of(release), None)


def machine(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    monkeypatch.setattr(gpus, "devices", lambda: (Gpu("NVIDIA L4", "8.9", 2**34),) * count)


def test_max_means_every_gpu_that_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 4)
    assert resolved(tensor_parallel_degree="max").at("LLM")["tensor_parallel_size"] == 4
    two = resolved(tensor_parallel_degree="max", pipeline_parallel_degree="2").at("LLM")
    assert (two["tensor_parallel_size"], two["pipeline_parallel_size"]) == (2, 2)
    assert resolved().at("LLM")["tensor_parallel_size"] == 1


def test_more_gpus_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, 1)
    (problem,) = resolved(tensor_parallel_degree="2").problems
    assert problem == (
        "tensor_parallel_degree=2 (from serving.properties) and pipeline_parallel_degree=1 need 2 GPUs, but 1 can be"
        " seen. Lower them, or use a machine with more GPUs."
    )


def test_older_releases_have_no_such_backend() -> None:
    found = resolved("0.21.0")
    assert found.arguments == {}
    assert "TensorRT-LLM 0.21.0 has no PyTorch backend that is taken here" in found.problems[0]


def test_defaults_need_no_word() -> None:
    found = resolved()
    assert (found.notes, found.problems) == ((), ())
    assert "disable_overlap_scheduler" not in found.at("LLM")
