import json
from pathlib import Path

import pytest

from djl_trtllm.core import CompiledModel
from djl_trtllm.errors import ModelNotFound, UnsupportedModel
from djl_trtllm.model import engine_layouts
from tests.support import checkpoints
from tests.support import engine_directories as engines

PBTXT = 'max_batch_size: 16 parameters { key: "max_beam_width" value { string_value: "2" } }'


def find(path: Path) -> CompiledModel | None:
    return engine_layouts.find(path, "the model")


def refusal(path: Path) -> str:
    with pytest.raises(UnsupportedModel) as caught:
        find(path)
    return str(caught.value)


def test_a_flat_directory(tmp_path: Path) -> None:
    found = find(engines.write(tmp_path, engines.config(), ranks=2))
    assert found is not None
    assert (found.path, found.text_path, dict(found.options)) == (tmp_path, tmp_path, {})
    assert (found.runtime, found.origin) == ("trtllm", "the model")


@pytest.mark.parametrize("name", ["rank{}.engine", "llama_float16_tp1_rank{}.engine"])
@pytest.mark.parametrize("given", [".", "llama", "llama/1"])
def test_a_repository_whatever_level_of_it_is_named(tmp_path: Path, given: str, name: str) -> None:
    engines.lmi(tmp_path, engines.config(), pbtxt=PBTXT, name=name)
    found = find(tmp_path / given)
    assert found is not None
    assert (found.path, found.text_path) == (tmp_path / "llama" / "1", tmp_path / "llama")
    assert found.options == {"max_beam_width": "2", "max_rolling_batch_size": "16"}


def test_a_repository_without_config_pbtxt_brings_no_options(tmp_path: Path) -> None:
    engines.lmi(tmp_path, engines.config())
    (tmp_path / "llama" / "config.pbtxt").unlink()
    found = find(tmp_path)
    assert found is not None
    assert (found.options, found.text_path) == ({}, tmp_path / "llama")


def test_the_checkpoints_config_beside_the_tokenizer_is_no_checkpoint(tmp_path: Path) -> None:
    engines.lmi(tmp_path, engines.config())
    for place in (tmp_path, tmp_path / "llama"):
        (place / "config.json").write_text('{"model_type": "llama"}')
    assert find(tmp_path) is not None
    assert find(tmp_path / "llama") is not None


def test_a_whole_repository_of_tritons(tmp_path: Path) -> None:
    engines.lmi(tmp_path, engines.config())
    for name in ("preprocessing", "postprocessing"):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "1" / "model.py").touch()
        (tmp_path / name / "config.pbtxt").touch()
    found = find(tmp_path)
    assert found is not None
    assert found.path == tmp_path / "llama" / "1"


def test_no_engines_at_all(tmp_path: Path) -> None:
    assert find(checkpoints.write(tmp_path / "llama")) is None
    assert find(tmp_path) is None


def test_engines_in_two_places(tmp_path: Path) -> None:
    engines.lmi(tmp_path, engines.config())
    engines.write(tmp_path, engines.config())
    said = refusal(tmp_path)
    assert "holds engines in the directory itself, llama/1, and one model is served" in said
    assert "option.model_id" in said


def test_a_checkpoint_and_engines_at_once(tmp_path: Path) -> None:
    checkpoints.write(tmp_path)
    engines.lmi(tmp_path, engines.config())
    assert "engines in llama/1 and a Hugging Face checkpoint beside them" in refusal(tmp_path)


def test_a_checkpoint_beside_engines_in_one_directory(tmp_path: Path) -> None:
    checkpoints.write(tmp_path)
    (tmp_path / "rank0.engine").touch()
    said = refusal(tmp_path)
    assert "holds both a Hugging Face checkpoint and TensorRT engines" in said
    assert "Move the engines" in said


def test_engines_under_the_checkpoints_config(tmp_path: Path) -> None:
    engines.write(tmp_path, {"model_type": "llama"})
    assert "is not the one that TensorRT-LLM wrote beside rank0.engine" in refusal(tmp_path)


def test_directories_that_lack_half(tmp_path: Path) -> None:
    (engines.write(tmp_path / "a", engines.config()) / "rank0.engine").unlink()
    assert "has no *.engine file. Copy it again" in refusal(tmp_path / "a")
    (engines.write(tmp_path / "b", engines.config()) / "config.json").unlink()
    assert "has rank0.engine but no config.json" in refusal(tmp_path / "b")
    engines.lmi(tmp_path / "c", engines.config())
    for file in (tmp_path / "c" / "llama" / "1").iterdir():
        file.unlink()
    assert "c/llama/1 should hold the engines of the model and has no *.engine file" in refusal(
        tmp_path / "c"
    )
    engines.write(tmp_path / "d", engines.config())
    text = json.dumps(engines.config())
    (tmp_path / "d" / "config.json").write_text(text[: len(text) // 2])
    with pytest.raises(ModelNotFound, match="probably truncated"):
        find(tmp_path / "d")
