"""Real artifacts of both compiling runtimes with bits flipped and ends lost, in every file: never taken for whole."""

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

pytestmark = pytest.mark.compile

KINDS = {
    "openvino": {"openvino_model.bin", "openvino_model.xml", "tokenizer.json", "text.json", "config.json"},
    "trtllm": {"rank0.engine", "config.json", "tokenizer.json", "text.json"},
}
ROW = "0.14.0"
FEW, MANY = 5, 400


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """One artifact of each runtime, each in a cache of its own."""
    root = tmp_path_factory.mktemp("damage")
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


@pytest.mark.parametrize("runtime", KINDS)
def test_some_damage_in_every_file(artifacts: Mapping[str, Path], runtime: str) -> None:
    artifact = artifacts[runtime]
    assert taken(artifact) == ""
    assert {file.name for file in files(artifact)} > KINDS[runtime]
    assert undetected(artifact, FEW) == []
    assert taken(artifact) == ""


@pytest.mark.long
@pytest.mark.parametrize("runtime", KINDS)
def test_much_damage_in_every_file(artifacts: Mapping[str, Path], runtime: str) -> None:
    assert undetected(artifacts[runtime], MANY) == []


@pytest.mark.parametrize("runtime", KINDS)
def test_a_file_that_is_gone(artifacts: Mapping[str, Path], runtime: str, tmp_path: Path) -> None:
    copy = tmp_path / "artifacts" / artifacts[runtime].name
    for file in files(artifacts[runtime]):
        shutil.copytree(artifacts[runtime], copy)
        (copy / file.relative_to(artifacts[runtime])).unlink()
        assert taken(copy), file.name
        shutil.rmtree(copy)
