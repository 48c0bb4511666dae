"""A stub CUDA driver for subprocesses: put `directory(...)` first in LD_LIBRARY_PATH, and they see those GPUs."""

from __future__ import annotations

import getpass
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

SOURCES = {
    "libcuda.so.1": Path(__file__).with_name("cuda_stub.c"),
    "libnvidia-ml.so.1": Path(__file__).with_name("nvml_stub.c"),
}
A100 = "NVIDIA A100-SXM4-40GB"


def directory(
    count: int = 1,
    name: str = A100,
    capability: str = "8.0",
    memory: int = 40 * 2**30,
    used: int = 2**30,
    nvml: bool = True,
) -> Path:
    """Return a directory with a `libcuda.so.1` of `count` GPUs, and an NVML that tells of them; built on first use.

    Each GPU has `memory` bytes of which `used` are taken, and one more for each GPU before it.
    """
    major, minor = capability.split(".")
    sizes = {"MEMORY": f"{memory}ull", "USED": f"{used}ull"}
    defined = {"COUNT": count, "NAME": f'"{name}"', "MAJOR": major, "MINOR": minor, **sizes}
    flags = [f"-D{key}={value}" for key, value in defined.items()]
    sources = {library: source for library, source in SOURCES.items() if nvml or "cuda" in library}
    content = b"".join(source.read_bytes() for source in sources.values())
    digest = hashlib.sha256(content + repr(flags).encode()).hexdigest()[:16]
    place = Path(tempfile.gettempdir()) / f"djl-trtllm-tests-{getpass.getuser()}" / f"cuda-{digest}"
    place.mkdir(parents=True, exist_ok=True)
    for library, source in sources.items():
        if not (place / library).exists():
            scratch = place / f"{os.getpid()}.tmp"
            options = ["-shared", "-fPIC", "-O1", "-Wall", "-Werror", *flags]
            subprocess.run(["cc", *options, "-o", str(scratch), str(source)], check=True)
            scratch.replace(place / library)
    return place


def environment(count: int = 1, **more: object) -> dict[str, str]:
    """Return the variable that makes a subprocess see `directory(...)`."""
    paths = [str(directory(count, **more)), os.environ.get("LD_LIBRARY_PATH", "")]  # type: ignore[arg-type]
    return {"LD_LIBRARY_PATH": ":".join(filter(None, paths))}
