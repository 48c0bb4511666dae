"""Real artifacts of both compiling runtimes, and what a start says of them once they are damaged."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from djl_trtllm.compile import manifest
from djl_trtllm.compile.store import Store
from djl_trtllm.errors import ArtifactError
from djl_trtllm.ranks import Solo
from djl_trtllm.service.artifact import Artifact
from tests.contract.tensorrt_llm_stand_in import environment
from tests.support import tiny
from tests.support.damage import cut, files, flipped, positions
from tests.support.plans import Stages

ROW = "0.14.0"


def artifacts(root: Path) -> Mapping[str, Path]:
    """Make one artifact of each runtime, each in a cache of its own."""
    compiled = tiny.compiled("llama")
    shutil.copytree(compiled, root / "openvino" / "artifacts" / compiled.name)
    return {
        "openvino": root / "openvino" / "artifacts" / compiled.name,
        "trtllm": engine(root / "trtllm"),
    }


def engine(cache: Path) -> Path:
    """Build an engine on the stand-in, by a load's own way."""
    from djl_trtllm.engines.trtllm import gpus, versions
    from djl_trtllm.engines.trtllm.gpus import Gpu
    from djl_trtllm.engines.trtllm.runtime import TensorRTLLM
    from djl_trtllm.engines.trtllm.versions import Release
    from djl_trtllm.options.table import Options

    options = Options(
        model_id=str(tiny.checkpoint("llama")), cache_dir=str(cache), max_input_len=64, max_output_len=64
    )
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(ROW).items():
            patch.setenv(name, value)
        patch.setattr(versions, "installed", lambda: Release.of(ROW))
        patch.setattr(gpus, "devices", lambda: [Gpu("NVIDIA A10G", "8.6", 24 << 30)])
        return Artifact(TensorRTLLM(), options, Solo(), {}, Stages()).find().path


def taken(artifact: Path) -> str:
    """Return what a start would say of an artifact: nothing where it would serve it."""
    if Store(artifact.parents[1]).find(artifact.name) is None:
        return "not found"
    try:
        manifest.verify(artifact)
    except ArtifactError as error:
        return str(error)
    return ""


def damages(file: Path, count: int) -> list[tuple[str, AbstractContextManager[None]]]:
    size = file.stat().st_size
    spots = [(f"bit of byte {place}", flipped(file, place, place % 8)) for place in positions(size, count)]
    ends = [(f"cut to {length}", cut(file, length)) for length in sorted({0, size // 2, size - 1})]
    return spots + ends


def undetected(artifact: Path, count: int) -> list[str]:
    missed = []
    for file in files(artifact):
        for what, damage in damages(file, count):
            with damage:
                said = taken(artifact)
            if not said:
                missed.append(f"{file.name}: {what}")
    return missed
