"""What this machine has: memory of the host within the container's limits, and of the GPUs."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_CGROUPS = (
    ("memory.max", "memory.current", "memory.stat"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat"),
)
"""Limit, use and statistics, below /sys/fs/cgroup, of version 2 and of version 1."""

DRIVER = "libcuda.so.1"
NVML = "libnvidia-ml.so.1"
_BUS_BYTES = 32


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes. `total` is the machine's or the container's, whichever is less; `free` is what new use can have."""

    total: int
    free: int


def host_memory(proc: Path = Path("/proc"), groups: Path = Path("/sys/fs/cgroup")) -> Memory:
    """Return the memory of the host. File cache counts as free: the kernel gives it up when it is needed."""
    found = _machine(proc)
    for limit, used, statistics in _CGROUPS:
        # Absent where this version of cgroups is not, and "max" where there is no limit.
        with suppress(OSError, ValueError):
            most = int((groups / limit).read_text())
            taken = int((groups / used).read_text()) - _reclaimable(groups / statistics)
            found = Memory(min(found.total, most), min(found.free, most - taken))
    return Memory(found.total, max(found.free, 0))


def gpu_memory() -> Sequence[Memory]:
    """Return the memory of every GPU that this process sees, in CUDA's order.

    None where NVIDIA's driver or its NVML is not there. Nothing is taken of a GPU: a context of CUDA's own, which
    could tell as well, would take half a gigabyte.
    """
    try:
        driver, library = ctypes.CDLL(DRIVER), ctypes.CDLL(NVML)
        if driver.cuInit(0) or library.nvmlInit_v2():
            return ()
    except (OSError, AttributeError):
        return ()
    try:
        count = ctypes.c_int()
        if driver.cuDeviceGetCount(ctypes.byref(count)):
            return ()
        return tuple(_gpu(driver, library, index) for index in range(count.value))
    except (OSError, AttributeError):
        return ()
    finally:
        library.nvmlShutdown()


class _NvmlMemory(ctypes.Structure):
    """`nvmlMemory_t` of NVML's API reference."""

    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


def _gpu(driver: ctypes.CDLL, library: ctypes.CDLL, index: int) -> Memory:
    """Ask NVML by the address on the bus: its own numbers take no notice of CUDA_VISIBLE_DEVICES."""
    number, address, size = ctypes.c_int(), ctypes.create_string_buffer(_BUS_BYTES), ctypes.c_size_t()
    failed = driver.cuDeviceGet(ctypes.byref(number), index)
    failed |= driver.cuDeviceGetPCIBusId(address, _BUS_BYTES, number)
    failed |= driver.cuDeviceTotalMem_v2(ctypes.byref(size), number)
    device, memory = ctypes.c_void_p(), _NvmlMemory()
    failed |= library.nvmlDeviceGetHandleByPciBusId_v2(address, ctypes.byref(device))
    failed = failed or library.nvmlDeviceGetMemoryInfo(device, ctypes.byref(memory))
    if failed:
        raise OSError(f"the driver does not tell the memory of GPU {index}")
    total = min(int(memory.total), size.value)  # a slice of a GPU (MIG) has less than the whole
    return Memory(total, min(int(memory.free), total))


def _machine(proc: Path) -> Memory:
    values: Mapping[str, int] = {}
    with suppress(OSError, ValueError, IndexError):
        rows = (line.split() for line in (proc / "meminfo").read_text().splitlines())
        values = {row[0].rstrip(":"): int(row[1]) * 1024 for row in rows}
    if "MemAvailable" in values:
        return Memory(values["MemTotal"], values["MemAvailable"])
    import psutil

    memory = psutil.virtual_memory()
    return Memory(int(memory.total), int(memory.available))


def _reclaimable(statistics: Path) -> int:
    for line in statistics.read_text().splitlines():
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return int(value)
    return 0
