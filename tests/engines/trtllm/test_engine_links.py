from pathlib import Path

import pytest

from djl_trtllm.core import CompiledModel
from djl_trtllm.engines.trtllm import prebuilt
from djl_trtllm.engines.trtllm.engine_links import openable
from djl_trtllm.errors import CompileError
from djl_trtllm.options.table import Options
from tests.support import engine_directories as engines

OLD = "llama_float16_tp2_rank{}.engine"


def opened(model: CompiledModel, cache: Path) -> CompiledModel:
    return openable(model, Options(cache_dir=str(cache)), {})


def test_engines_under_todays_names_stay_where_they_are(tmp_path: Path) -> None:
    model = CompiledModel(engines.write(tmp_path / "model", engines.config(tp=2), 2), "m")
    assert opened(model, tmp_path / "cache") is model


def test_engines_of_the_build_scripts_keep_their_names(tmp_path: Path) -> None:
    model = CompiledModel(engines.write(tmp_path / "model", engines.legacy_config(tp=2), 2, OLD), "m")
    assert opened(model, tmp_path / "cache") is model


def test_engines_under_old_names_are_linked_once(tmp_path: Path) -> None:
    engines.lmi(tmp_path / "repo", engines.config(tp=2), 2, name=OLD)
    model = CompiledModel(tmp_path / "repo" / "llama" / "1", "m", text=tmp_path / "repo" / "llama")
    found = opened(model, tmp_path / "cache")
    assert sorted(file.name for file in found.path.iterdir()) == [
        "config.json",
        "rank0.engine",
        "rank1.engine",
    ]
    assert (found.path / "rank1.engine").resolve() == model.path / OLD.format(1)
    assert prebuilt.read(found.path).world_size == 2
    assert found.text_path == model.text
    assert opened(model, tmp_path / "cache") == found


def test_links_follow_the_engines_that_are_there_now(tmp_path: Path) -> None:
    model = CompiledModel(engines.write(tmp_path / "model", engines.config(), 1, "a_rank{}.engine"), "m")
    found = opened(model, tmp_path / "cache")
    (model.path / "a_rank0.engine").rename(model.path / "b_rank0.engine")
    assert (opened(model, tmp_path / "cache").path / "rank0.engine").resolve().name == "b_rank0.engine"
    assert found.text_path == model.path


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    model = CompiledModel(engines.write(tmp_path / "model", engines.config(), 1, "a_rank{}.engine"), "m")
    (tmp_path / "cache").touch()
    with pytest.raises(CompileError, match=r"option\.cache_dir"):
        opened(model, tmp_path / "cache")
