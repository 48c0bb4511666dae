"""The package as `DJL_TRTLLM_COMPILE=1` builds it, beside the sources, and how a process is made to import it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from filelock import FileLock

ROOT = Path(__file__).parents[1]
BUILD = ROOT / "build" / "compiled"


def available() -> bool:
    """Whether there is a C compiler to build it with."""
    return shutil.which("cc") is not None


def package() -> Path:
    """Build it from the sources as they are, and return the directory that `djl_trtllm` is in.

    What is up to date there is left as it is: other processes may be running it.
    """
    library = BUILD / "lib"
    BUILD.mkdir(parents=True, exist_ok=True)
    with FileLock(BUILD / "lock"):
        places = ("--build-lib", str(library), "--build-temp", str(BUILD / "objects"))
        done = subprocess.run(
            [sys.executable, "setup.py", "-q", "build", "--parallel", "2", *places],
            cwd=ROOT,
            env={**os.environ, "DJL_TRTLLM_COMPILE": "1"},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise RuntimeError(f"The package could not be compiled:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return library


def python(package: Path | None) -> tuple[list[str], dict[str, str]]:
    """Return the interpreter's command and environment: with the compiled package, or the sources in this directory."""
    if package is None:
        return [sys.executable], dict(os.environ)
    # -P: or the directory it is started in, which holds the sources, would come before PYTHONPATH.
    return [sys.executable, "-P"], {**os.environ, "PYTHONPATH": os.pathsep.join([str(package), str(ROOT)])}
