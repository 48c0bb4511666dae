"""What a build depends on besides options."""

from pathlib import Path

import pytest

from djl_trtllm.engines.building import inputs
from djl_trtllm.errors import CompileError, ModelNotFound
from djl_trtllm.model import checkpoint
from djl_trtllm.options.table import Options
from tests.support.checkpoints import write


def test_files_enter_by_content_and_their_options_leave(tmp_path: Path) -> None:
    found = checkpoint.read(write(tmp_path / "m"), "m")
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "vocab.json").write_text("{}")
    (tmp_path / "c.txt").write_text("hello")
    options = Options(
        tokenizer=str(tmp_path / "t"),
        calib_dataset=str(tmp_path / "c.txt"),
        cache_dir=str(tmp_path / "cache"),
    )
    values = {"tokenizer": "t", "calib_dataset": "c", "dtype": "fp16"}
    files, rest = inputs.split(found, options, values)
    assert set(files) == {"config.json", "model.safetensors", "option.calib_dataset", "tokenizer/vocab.json"}
    assert rest == {"dtype": "fp16"}
    files, _ = inputs.split(found, options, {"dtype": "fp16"})
    assert "option.calib_dataset" not in files


@pytest.mark.parametrize(("option", "kind"), [("calib_dataset", CompileError), ("tokenizer", ModelNotFound)])
def test_a_file_that_is_not_there_is_refused(tmp_path: Path, option: str, kind: type[Exception]) -> None:
    found = checkpoint.read(write(tmp_path / "m"), "m")
    options = Options(cache="off", **{option: "/nowhere"})
    with pytest.raises(kind, match=rf"option\.{option}"):
        inputs.split(found, options, {option: "/nowhere"})


def test_the_recipe_follows_every_file(tmp_path: Path) -> None:
    one, two = tmp_path / "one.py", tmp_path / "two.py"
    one.write_text("1")
    two.write_text("2")
    base = inputs.recipe([one, two])
    assert inputs.recipe([one, two]) == base
    two.write_text("3")
    assert inputs.recipe([one, two]) != base


def test_a_missing_library_is_part_of_the_key_and_no_crash() -> None:
    assert inputs.version("no-such-library") == "not installed"
    assert inputs.version("msgspec")[0].isdigit()
