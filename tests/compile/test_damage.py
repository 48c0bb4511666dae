"""Real artifacts of both compiling runtimes with bits flipped and ends lost, in every file: never taken for whole."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support import damaged_artifacts
from tests.support.damage import files
from tests.support.damaged_artifacts import taken, undetected

pytestmark = pytest.mark.compile

KINDS = {
    "openvino": {"openvino_model.bin", "openvino_model.xml", "tokenizer.json", "text.json", "config.json"},
    "trtllm": {"rank0.engine", "config.json", "tokenizer.json", "text.json"},
}
FEW, MANY = 5, 400


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    return damaged_artifacts.artifacts(tmp_path_factory.mktemp("damage"))


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
