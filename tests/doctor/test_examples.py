"""What is shipped as an example checks clean, where it is meant to run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from djl_trtllm.doctor import examination
from djl_trtllm.doctor.finding import Outcome
from djl_trtllm.doctor.question import Question
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.local import properties
from tests.support import broken, engine_directories, vocabularies

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/serving.properties"))
OPENVINO = ("openvino",)
PYTORCH = ("trtllm-pytorch",)


def engines(directory: Path) -> None:
    """Where the examples of prebuilt engines say that they are, as SageMaker unpacks a model directory."""
    flat = engine_directories.write(directory / "engines", engine_directories.config("0.12.0", tp=2), ranks=2)
    home = (
        engine_directories.lmi(directory / "repo", engine_directories.config("0.12.0", tp=2), ranks=2)
        / "llama"
    )
    for place in (flat, home):
        vocabularies.vocabulary("byte_level").save(str(place / "tokenizer.json"))


@pytest.mark.parametrize("name", NAMES)
def test_it_is_clean(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken.machine(monkeypatch, {})
    engines(tmp_path)
    target = tmp_path / name
    shutil.copytree(EXAMPLES / name, target)
    file = target / "serving.properties"
    file.write_text(file.read_text().replace("/opt/ml/model/", f"{tmp_path}/"))
    release = None if name in OPENVINO else Release.of("1.2.1" if name in PYTORCH else "0.12.0")
    ranks = 2 if properties.parse(file.read_text()).get("option.tensor_parallel_degree") == "max" else None
    found = examination.examine(
        Question(
            str(target),
            {"DJL_CACHE_DIR": str(tmp_path / "cache")},
            release=release,
            ranks=ranks,
            root=tmp_path,
        )
    )
    told = "\n".join(f"{finding.outcome.value}: {finding.check}: {finding}" for finding in found.findings)
    assert found.starts, told
    clean = ("serving.properties", "options", "entry point", "runtime", "engine", "build")
    assert not [f for f in found.findings if f.check in clean and f.outcome is not Outcome.OK], told
