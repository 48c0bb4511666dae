"""Model directories that do not start, kept in tests/fixtures/broken: text as it is, weights and engines made here."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.compile import disk
from djl_trtllm.doctor import compiling
from djl_trtllm.engines import resources
from djl_trtllm.engines.openvino import estimate as openvino_estimate
from djl_trtllm.engines.resources import Memory
from djl_trtllm.engines.trtllm import gpus, versions
from djl_trtllm.engines.trtllm.gpus import Gpu
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.options import places
from tests.support import checkpoints, engine_directories, vocabularies

ROOT = Path(__file__).parents[1] / "fixtures" / "broken"
NAMES = sorted(path.parent.name for path in ROOT.glob("*/expected.json"))


def expected(name: str) -> Mapping[str, Any]:
    """What has to be said of a broken directory, and under which arguments, environment and machine."""
    content: Mapping[str, Any] = json.loads((ROOT / name / "expected.json").read_text())
    return content


def make(name: str, directory: Path) -> Path:
    """Copy a broken directory and make its binary files."""
    target = directory / name
    shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("expected.json"))
    for what in expected(name)["made"]:
        _MAKERS[what](target)
    return target


def _home(target: Path) -> Path:
    return target / "model" if (target / "model").is_dir() else target


def _weights(target: Path) -> None:
    (_home(target) / "model.safetensors").write_bytes(checkpoints.safetensors())


def _shards(target: Path) -> None:
    whole = checkpoints.safetensors()
    (_home(target) / "model-00001-of-00003.safetensors").write_bytes(whole)
    (_home(target) / "model-00002-of-00003.safetensors").write_bytes(whole[:-3])


def _tokenizer(target: Path) -> None:
    vocabularies.vocabulary("byte_level").save(str(target / "tokenizer.json"))


def _engine(target: Path) -> None:
    engine_directories.write(target / "engines", engine_directories.config("0.9.0", tp=2), ranks=1)


def _cut_short(target: Path) -> None:
    place = (
        engine_directories.lmi(target / "repo", engine_directories.config("0.12.0", tp=2), ranks=2) / "llama"
    )
    (place / "1" / "rank0.engine").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    (place / "1" / "rank1.engine").write_bytes(b"")
    _tokenizer(place)


_MAKERS: Mapping[str, Callable[[Path], None]] = {
    "weights": _weights,
    "shards": _shards,
    "tokenizer": lambda target: _tokenizer(_home(target)),
    "pickle": lambda target: (_home(target) / "pytorch_model.bin").write_bytes(b"\x80\x02.") and None,
    "engine of 0.9.0": _engine,
    "engines cut short": _cut_short,
}


def machine(patch: pytest.MonkeyPatch, facts: Mapping[str, Any]) -> None:
    """Be on a machine with other GPUs, another TensorRT-LLM, less disk or less memory; on none of them by default."""
    devices = tuple(Gpu(*gpu) for gpu in facts.get("gpus", ()))
    release = facts.get("tensorrt_llm")
    patch.setattr(gpus, "devices", lambda: devices)
    patch.setattr(versions, "installed", lambda: Release.of(release) if release else None)
    if "free_disk" in facts:
        for module in (disk, places, compiling):
            patch.setattr(module, "free_bytes", lambda directory: facts["free_disk"])
    if "memory" in facts:
        for module in (resources, openvino_estimate, compiling):
            patch.setattr(module, "host_memory", lambda: Memory(*facts["memory"]))
