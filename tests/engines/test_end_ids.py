import json
from pathlib import Path

from djl_trtllm.core import CompiledModel
from djl_trtllm.engines.end_ids import end_ids


def write(path: Path, **content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def test_what_was_compiled_in_wins(tmp_path: Path) -> None:
    write(tmp_path / "text.json", eos_token_ids=[7, 2])
    write(tmp_path / "generation_config.json", eos_token_id=9)
    assert end_ids(CompiledModel(tmp_path, "m")) == (7, 2)


def test_every_file_that_names_one_counts(tmp_path: Path) -> None:
    write(tmp_path / "text" / "generation_config.json", eos_token_id=[5, 6, True, -1])
    write(tmp_path / "text" / "tokenizer_config.json", eos_token="</s>")
    write(tmp_path / "text" / "tokenizer.json", added_tokens=[{"id": 2, "content": "</s>"}, {"id": 1}])
    write(tmp_path / "model" / "config.json", eos_token_id=6)
    write(tmp_path / "model" / "generation_config.json", eos_token_id=4)
    model = CompiledModel(tmp_path / "model", "m", text=tmp_path / "text")
    assert end_ids(model) == (5, 6, 4, 2)


def test_the_tokenizers_own_configuration_may_have_the_id(tmp_path: Path) -> None:
    decoder = {"x": {}, "3": {"content": "<e>"}}
    write(tmp_path / "tokenizer_config.json", eos_token={"content": "<e>"}, added_tokens_decoder=decoder)
    (tmp_path / "generation_config.json").write_text("no JSON")
    assert end_ids(CompiledModel(tmp_path, "m")) == (3,)


def test_nothing_names_any(tmp_path: Path) -> None:
    assert end_ids(CompiledModel(tmp_path, "m")) == ()
    write(tmp_path / "special_tokens_map.json", eos_token="<e>")
    write(tmp_path / "config.json", eos_token_id=None)
    assert end_ids(CompiledModel(tmp_path, "m")) == ()


def test_an_id_of_many_digits_is_none(tmp_path: Path) -> None:
    decoder = {"9" * 5000: {"content": "<e>"}, "\u0663": {"content": "<e>"}}
    write(tmp_path / "tokenizer_config.json", eos_token="<e>", added_tokens_decoder=decoder)
    assert end_ids(CompiledModel(tmp_path, "m")) == ()
