from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from djl_trtllm.errors import ModelNotFound, OptionsError
from djl_trtllm.service import ahead
from djl_trtllm.service.ahead import Ahead
from tests.support import quick_builds, tiny


class Silent:
    def stage(self, name: str, percent: float | None = None) -> None:
        pass


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny.checkpoint("llama"), tmp_path / "model"))


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    return quick_builds.install(monkeypatch)


def properties(model: Path, **more: object) -> dict[str, object]:
    cache = model.parent / "cache"
    return {"model_id": str(model), "cache_dir": str(cache), "model_dir": str(model), "dtype": "fp32", **more}


def compiled(given: dict[str, object]) -> Ahead:
    found: list[Ahead] = []
    ahead.compiled(given, {}, Silent(), found.append)
    return found[0]


def test_compiled_once_then_a_hit(model: Path, builds: list[Path]) -> None:
    first = compiled(properties(model))
    assert (first.runtime, first.cached, first.model.hit) == ("openvino", True, False)
    again = compiled(properties(model, max_input_len="77"))
    assert again.model.hit, "an option that is not built in changes nothing"
    assert again.model.path == first.model.path
    assert len(builds) == 1


def test_a_hit_is_foreseen_by_its_key(model: Path, builds: list[Path]) -> None:
    path = compiled(properties(model)).model.path
    foresight = ahead.foreseen(properties(model), {}, Silent())
    assert foresight.hit
    assert foresight.key == path.name
    assert foresight.found is not None
    assert (foresight.problem, foresight.nearest) == ("", None)


def test_a_miss_says_which_inputs_differ(model: Path, builds: list[Path]) -> None:
    assert ahead.foreseen(properties(model), {}, Silent()).nearest is None
    key = compiled(properties(model)).model.path.name
    (model / "config.json").write_text((model / "config.json").read_text() + "\n")
    given = ("--option", {"dtype": "fp16", "openvino_group_size": "32"})
    foresight = ahead.foreseen(properties(model), {}, Silent(), given)
    assert not foresight.hit
    assert foresight.nearest is not None
    assert foresight.nearest.key == key
    assert foresight.nearest.changes == [
        "option dtype is fp16 and was fp32",
        "the file config.json is changed",
    ]
    assert len(builds) == 1, "nothing is built by looking"


def test_a_damaged_artifact_is_no_hit(model: Path, builds: list[Path]) -> None:
    path = compiled(properties(model)).model.path
    (path / "openvino_model.xml").write_text("fp64")
    foresight = ahead.foreseen(properties(model), {}, Silent())
    assert not foresight.hit
    assert "openvino_model.xml" in foresight.problem


@pytest.mark.parametrize("mode", ["rebuild", "off"])
def test_without_reuse_nothing_is_a_hit(model: Path, builds: list[Path], mode: str) -> None:
    compiled(properties(model))
    foresight = ahead.foreseen(properties(model, cache=mode), {}, Silent())
    assert foresight.found is not None
    assert not foresight.hit


def test_a_compiled_model_is_taken_as_it_is(model: Path, builds: list[Path]) -> None:
    for name in ("openvino_model.xml", "openvino_model.bin"):
        (model / name).write_text("")
    found = compiled(properties(model))
    assert (found.cached, found.model.path, builds) == (False, model, [])
    foresight = ahead.foreseen(properties(model), {}, Silent())
    assert (foresight.hit, foresight.key) == (True, None)


def test_what_a_load_would_refuse_is_refused(model: Path) -> None:
    with pytest.raises(OptionsError, match="tensor_parallel_degree=2"):
        ahead.foreseen(properties(model, tensor_parallel_degree="2"), {}, Silent())
    with pytest.raises(ModelNotFound):
        compiled(properties(model, model_id="./nowhere"))


def test_what_goes_to_a_second_tier_is_there_when_it_is_done(
    model: Path, builds: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[str] = []

    class Slow:
        name = "s3://bucket/models"

        def fetch(self, key: str, into: Path, progress: Silent) -> bool:
            return False

        def store(self, key: str, artifact: Path, progress: Silent) -> None:
            time.sleep(0.3)
            stored.append(key)

    monkeypatch.setattr("djl_trtllm.service.artifact.remote.tier", lambda *_: Slow())
    assert stored == [compiled(properties(model)).model.path.name]
