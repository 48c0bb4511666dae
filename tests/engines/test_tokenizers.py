import json
from pathlib import Path

import pytest

from djl_trtllm.core import CompiledModel
from djl_trtllm.engines import tokenizers
from djl_trtllm.engines.building import process
from djl_trtllm.errors import ArtifactError, CompileError, ModelNotFound
from djl_trtllm.options.table import Options
from djl_trtllm.text.tokenizer import Tokenizer
from tests.support.plans import Stages


def ensure(model: CompiledModel, tmp_path: Path, **options: object) -> CompiledModel:
    return tokenizers.ensure(model, Options(cache_dir=str(tmp_path / "cache"), **options), {}, Stages())  # type: ignore[arg-type]


def brought(path: Path, text: Path | None = None) -> CompiledModel:
    path.mkdir(exist_ok=True, parents=True)
    return CompiledModel(path, "the model", runtime="trtllm", text=text)


def slow(directory: Path) -> Path:
    """Write a byte-level BPE as it was before tokenizer.json."""
    from tokenizers import pre_tokenizers

    directory.mkdir(parents=True, exist_ok=True)
    pieces = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "he", "ll", "<|endoftext|>"]
    (directory / "vocab.json").write_text(json.dumps({piece: index for index, piece in enumerate(pieces)}))
    (directory / "merges.txt").write_text("#version: 0.2\nh e\nl l\n")
    settings = {"tokenizer_class": "GPT2Tokenizer", "eos_token": "<|endoftext|>"}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))
    (directory / "generation_config.json").write_text('{"eos_token_id": [258, 5]}')
    return directory


def test_a_tokenizer_beside_the_engines_is_taken_as_it_is(tmp_path: Path) -> None:
    model = brought(tmp_path / "model")
    (model.path / "tokenizer.json").touch()
    assert ensure(model, tmp_path) is model


def test_a_tokenizer_one_level_up_and_one_beside_the_engines(tmp_path: Path) -> None:
    model = brought(tmp_path / "llama" / "1", tmp_path / "llama")
    (model.path / "tokenizer.json").touch()
    assert ensure(model, tmp_path).text_path == model.path
    (tmp_path / "llama" / "tokenizer.json").touch()
    assert ensure(model, tmp_path) is model


def test_the_option_is_stronger_than_what_lies_beside(tmp_path: Path) -> None:
    model = brought(tmp_path / "model")
    (model.path / "tokenizer.json").touch()
    (tmp_path / "other").mkdir()
    with pytest.raises(ArtifactError, match=r"No tokenizer in .*other: neither tokenizer.json"):
        ensure(model, tmp_path, tokenizer=str(tmp_path / "other"))
    (tmp_path / "other" / "tokenizer.json").touch()
    assert ensure(model, tmp_path, tokenizer=str(tmp_path / "other")).text_path == tmp_path / "other"
    with pytest.raises(ModelNotFound, match=r"option\.tokenizer"):
        ensure(model, tmp_path, tokenizer="/nowhere")


def test_what_was_compiled_here_holds_its_tokenizer_already(tmp_path: Path) -> None:
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow" / "tokenizer.model").touch()
    model = CompiledModel(tmp_path, "ours")
    (tmp_path / "text.json").touch()
    assert ensure(model, tmp_path, tokenizer=str(tmp_path / "slow")) is model


def test_no_tokenizer_anywhere(tmp_path: Path) -> None:
    model = brought(tmp_path / "llama" / "1", tmp_path / "llama")
    (tmp_path / "llama" / "tokenizer_config.json").touch()
    with pytest.raises(ArtifactError, match=r"No tokenizer in .*llama and .*llama/1: neither") as caught:
        ensure(model, tmp_path)
    assert "option.tokenizer" in str(caught.value)


def test_files_that_only_transformers_reads_are_converted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = brought(slow(tmp_path / "llama") / "1", tmp_path / "llama")
    (tmp_path / "llama" / "config.json").write_text(
        '{"build_config": {}}'
    )  # transformers would stumble over it
    found = ensure(model, tmp_path)
    assert found.path == model.path
    tokenizer = Tokenizer.load(found.text_path)
    assert tokenizer.decode(tokenizer.encode("hello, hell")) == "hello, hell"
    assert len(tokenizer.encode("hello")) == 3
    assert tokenizer.eos_ids == {258, 5}
    assert tokenizer.eos_token == "<|endoftext|>"
    assert not (found.text_path / "scratch").exists()

    def never(*_: object) -> None:
        raise AssertionError("converted again")

    monkeypatch.setattr(process, "run", never)
    assert ensure(model, tmp_path) == found


@pytest.mark.long
def test_files_that_nobody_reads(tmp_path: Path) -> None:
    model = brought(tmp_path / "model")
    (model.path / "tokenizer.model").write_bytes(b"nonsense")
    with pytest.raises(CompileError, match="The tokenizer of the model cannot be"):
        ensure(model, tmp_path)
    assert not any((tmp_path / "cache" / "building").iterdir())
