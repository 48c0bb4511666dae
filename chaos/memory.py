"""Resident memory of a process, as the kernel counts it."""

from __future__ import annotations

import ctypes
import gc
from pathlib import Path

_KIB = 1024


def resident(pid: int | str = "self") -> int:
    """Return the bytes of a process that are in memory."""
    return _status(pid, "VmRSS")


def peak(pid: int | str = "self") -> int:
    """Return the most bytes that were in memory since `forget_peak`, or ever."""
    return _status(pid, "VmHWM")


def forget_peak(pid: int | str = "self") -> None:
    """Let the peak begin at what is in memory now."""
    Path("/proc", str(pid), "clear_refs").write_text("5")


def settle() -> int:
    """Collect garbage, give free memory of this process back to the kernel, and return what is left."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    return resident()


def _status(pid: int | str, name: str) -> int:
    for line in Path("/proc", str(pid), "status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * _KIB
    raise RuntimeError(f"The kernel does not say {name} of process {pid}.")
