"""What the machine has: real files of /proc and of both versions of cgroups, and NVML through a stub."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from djl_trtllm.engines import resources
from djl_trtllm.engines.resources import Memory
from tests.support import cuda_stub

GIB = 2**30
MEMINFO = "MemTotal:       16777216 kB\nMemFree:         1048576 kB\nMemAvailable:    8388608 kB\nHugePages_Total: 0\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text(MEMINFO)
    return tmp_path / "proc"


def limited(directory: Path, limit: str, used: int, cache: int, version: int = 2) -> Path:
    names = (
        ("memory.max", "memory.current", "memory.stat")
        if version == 2
        else ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat")
    )
    groups = directory / "cgroup"
    (groups / "memory").mkdir(parents=True)
    statistics = f"anon 1\n{'inactive_file' if version == 2 else 'total_inactive_file'} {cache}\n"
    for name, text in zip(names, (limit, str(used), statistics), strict=True):
        (groups / name).write_text(text)
    return groups


def test_without_a_container_it_is_the_machine_s(proc: Path, tmp_path: Path) -> None:
    assert resources.host_memory(proc, tmp_path / "none") == Memory(16 * GIB, 8 * GIB)
    groups = limited(tmp_path, "max", 3 * GIB, GIB)
    assert resources.host_memory(proc, groups) == Memory(16 * GIB, 8 * GIB)


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_s_limit_counts_and_its_file_cache_does_not(
    proc: Path, tmp_path: Path, version: int
) -> None:
    groups = limited(tmp_path, str(4 * GIB), 3 * GIB, GIB, version)
    assert resources.host_memory(proc, groups) == Memory(4 * GIB, 2 * GIB)


def test_more_than_the_limit_is_nothing_free(proc: Path, tmp_path: Path) -> None:
    groups = limited(tmp_path, str(GIB), 2 * GIB, 0)
    assert resources.host_memory(proc, groups).free == 0


def test_the_unlimited_limit_of_version_1_is_no_limit(proc: Path, tmp_path: Path) -> None:
    groups = limited(tmp_path, "9223372036854771712", 2 * GIB, 0, 1)
    assert resources.host_memory(proc, groups) == Memory(16 * GIB, 8 * GIB)


def test_this_machine_has_memory(tmp_path: Path) -> None:
    found = resources.host_memory()
    assert 0 < found.free <= found.total
    assert resources.host_memory(tmp_path).total > 0, "without /proc"


def gpus(environ: dict[str, str]) -> str:
    script = (
        "from djl_trtllm.engines import resources; print([(m.total, m.free) for m in resources.gpu_memory()])"
    )
    command = [sys.executable, "-c", script]
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout.strip()


def test_each_visible_gpu_has_its_own_memory() -> None:
    environ = cuda_stub.environment(2)
    assert gpus(environ) == str([(40 * GIB, 39 * GIB), (40 * GIB, 39 * GIB - 1)])
    assert gpus({**environ, "CUDA_VISIBLE_DEVICES": "0"}) == str([(40 * GIB, 39 * GIB)])
    assert gpus({**environ, "CUDA_VISIBLE_DEVICES": ""}) == "[]"


def test_without_nvml_or_a_driver_nothing_is_known() -> None:
    assert gpus(cuda_stub.environment(1, nvml=False)) == "[]"
    assert resources.gpu_memory() == ()
