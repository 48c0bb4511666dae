"""What a bug report needs to know of a machine: versions, GPUs, driver, processor."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from djl_trtllm import __version__, installed

_PACKAGES = (
    "tensorrt_llm",
    "tensorrt",
    "torch",
    "transformers",
    "nvidia-modelopt",
    "mpi4py",
    "openvino",
    "openvino-genai",
    "optimum-intel",
    "nncf",
    "tokenizers",
)
_DRIVER = Path("/proc/driver/nvidia/version")


def versions() -> dict[str, str]:
    """Return versions by name, of what is installed."""
    found = {"djl_trtllm": __version__, "python": platform.python_version()}
    return found | {name: version for name in _PACKAGES if (version := installed.version(name))}


def describe() -> dict[str, object]:
    """Return the machine: system, processor, cores, NVIDIA driver and GPUs."""
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "driver": _driver(),
        "gpus": _gpus(),
    }


def _gpus() -> list[dict[str, object]]:
    from djl_trtllm.engines.trtllm.gpus import devices

    return [
        {
            "name": gpu.name,
            "capability": gpu.capability,
            "memory_gib": round(gpu.memory_bytes / 2**30, 1),
        }
        for gpu in devices()
    ]


def _driver() -> str:
    try:
        match = re.search(r"Module\s+(\d[\d.]+)", _DRIVER.read_text())
    except OSError:
        return ""
    return match[1] if match else ""


def _processor() -> str:
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        return platform.machine()
    return match[1] if match else platform.machine()
