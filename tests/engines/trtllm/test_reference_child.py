"""Where the unquantised model runs, and what is said where it does not. What it computes is in the long tests."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from djl_trtllm.engines.trtllm import reference_child
from djl_trtllm.engines.trtllm.reference_child import ReferenceJob


@pytest.mark.parametrize(
    ("free", "place"), [(None, ("cpu", "fp32")), (119, ("cpu", "fp32")), (121, ("cuda", "bf16"))]
)
def test_the_reference_runs_where_it_fits(
    free: int | None, place: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda = SimpleNamespace(is_available=lambda: free is not None, mem_get_info=lambda: (free, 1000))
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda, float32="fp32", bfloat16="bf16"))
    job = ReferenceJob(source="", compiled="", dtype="bfloat16", weights=100)
    assert reference_child._place(job) == place


def test_a_model_that_transformers_does_not_run_is_said(tmp_path: Path) -> None:
    job = ReferenceJob(source="", compiled=str(tmp_path), dtype="float16", weights=1)
    found = reference_child.failed(ValueError("Unrecognized model in /a/b/checkpoint"), job)
    assert found.problems == [
        "the unquantised model does not run in transformers: ValueError: Unrecognized model in checkpoint"
    ]
    assert reference_child.failed(MemoryError(), job).kind == "memory"
