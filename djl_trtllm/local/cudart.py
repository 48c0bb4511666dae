"""A stub CUDA runtime, which engine=MPI needs on a machine without GPUs.

DJL's MPI engine counts GPUs through libcudart before it starts mpirun, and refuses to start without one (0.25.0 and
0.34.0, observed). The stub is built on first use with the machine's C compiler.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from djl_trtllm.errors import LoadError

SOURCE = Path(__file__).with_name("cudart_stub.c")
GPU_COUNT_VARIABLE = "DJL_TRTLLM_STUB_GPUS"


def gpu_count() -> int:
    """Return the number of NVIDIA GPUs that the kernel's driver shows."""
    gpus = Path("/proc/driver/nvidia/gpus")
    return len(list(gpus.iterdir())) if gpus.is_dir() else 0


def stub_directory(cache: Path, compiler: str = "cc") -> Path:
    """Return a directory that holds the stub `libcudart.so`, building it when this source was not built yet.

    Raises LoadError, naming the package to install, when there is no C compiler or it fails.
    """
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    directory = cache / f"cudart-{digest}-{os.uname().machine}"
    library = directory / "libcudart.so"
    if library.exists():
        return directory
    path = shutil.which(compiler)
    if path is None:
        raise LoadError(
            "engine=MPI on a machine without GPUs needs a C compiler, once, for a stub CUDA runtime: install the "
            "Debian package gcc (build-essential brings it too), or use engine=Python."
        )
    directory.mkdir(parents=True, exist_ok=True)
    scratch = directory / f"libcudart.{os.getpid()}.tmp"
    built = subprocess.run(
        [path, "-shared", "-fPIC", "-O1", "-o", str(scratch), str(SOURCE)],
        capture_output=True,
        text=True,
        check=False,
    )
    if built.returncode:
        raise LoadError(
            f"The C compiler {path} could not build the stub CUDA runtime ({_first_line(built.stderr)}): install the "
            "Debian packages gcc and libc6-dev (build-essential brings both), or use engine=Python."
        )
    scratch.replace(library)
    return directory


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no message")
