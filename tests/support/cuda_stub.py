"""A stub CUDA driver for subprocesses: put `directory(...)` first in LD_LIBRARY_PATH, and they see those GPUs."""

from __future__ import annotations

import getpass
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("cuda_stub.c")
A100 = "NVIDIA A100-SXM4-40GB"


def directory(count: int = 1, name: str = A100, capability: str = "8.0", memory: int = 40 * 2**30) -> Path:
    """Return a directory with a `libcuda.so.1` of `count` GPUs, built on first use."""
    major, minor = capability.split(".")
    defined = {"COUNT": count, "NAME": f'"{name}"', "MAJOR": major, "MINOR": minor, "MEMORY": f"{memory}ull"}
    flags = [f"-D{key}={value}" for key, value in defined.items()]
    digest = hashlib.sha256(SOURCE.read_bytes() + repr(flags).encode()).hexdigest()[:16]
    place = Path(tempfile.gettempdir()) / f"djl-trtllm-tests-{getpass.getuser()}" / f"cuda-{digest}"
    library = place / "libcuda.so.1"
    if not library.exists():
        place.mkdir(parents=True, exist_ok=True)
        scratch = place / f"{os.getpid()}.tmp"
        command = [
            "cc",
            "-shared",
            "-fPIC",
            "-O1",
            "-Wall",
            "-Werror",
            *flags,
            "-o",
            str(scratch),
            str(SOURCE),
        ]
        subprocess.run(command, check=True)
        scratch.replace(library)
    return place


def environment(count: int = 1, **more: object) -> dict[str, str]:
    """Return the variable that makes a subprocess see `directory(...)`."""
    paths = [str(directory(count, **more)), os.environ.get("LD_LIBRARY_PATH", "")]  # type: ignore[arg-type]
    return {"LD_LIBRARY_PATH": ":".join(filter(None, paths))}
