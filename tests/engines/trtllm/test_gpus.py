from __future__ import annotations

import ast
import os
import subprocess
import sys

import pytest

from djl_trtllm.engines.trtllm import gpus
from djl_trtllm.engines.trtllm.gpus import Gpu
from tests.support import cuda_stub

_SCRIPT = """
import sys
from djl_trtllm.engines.trtllm import gpus
print([(g.name, g.capability, g.compute, g.memory_bytes) for g in gpus.devices()])
assert "torch" not in sys.modules
"""


def seen(**environ: str) -> object:
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        check=True,
    )
    return ast.literal_eval(done.stdout)


def test_the_driver_is_asked_for_every_gpu_without_torch() -> None:
    assert (
        seen(**cuda_stub.environment(2, name="NVIDIA L4", capability="8.9", memory=24 * 2**30))
        == [("NVIDIA L4", "8.9", (8, 9), 24 * 2**30)] * 2
    )


def test_only_visible_gpus_count() -> None:
    several = cuda_stub.environment(4)
    assert len(seen(**several, CUDA_VISIBLE_DEVICES="1,3")) == 2  # type: ignore[arg-type]
    assert seen(**several, CUDA_VISIBLE_DEVICES="") == []


def test_no_driver_means_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "LIBRARY", "libcuda-that-nobody-has.so.1")
    assert gpus.devices() == ()


def test_a_library_that_is_no_driver_means_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "LIBRARY", "libm.so.6")
    assert gpus.devices() == ()


def test_capabilities_compare_as_numbers() -> None:
    assert Gpu("x", "10.0", 1).compute > Gpu("y", "8.9", 1).compute
