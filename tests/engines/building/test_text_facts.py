"""tokenizer.json is kept where it says what transformers does, rewritten where it does not, refused where neither."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from djl_trtllm.engines.building import text_facts
from djl_trtllm.engines.building.text_facts import Text
from djl_trtllm.errors import CompileError


def text(position_factor: float = 1.0) -> Text:
    return Text("my model", "x", position_factor=position_factor)


def words(*, begin: bool) -> Tokenizer:
    """Splits at spaces; with `begin` it puts <s> in front, as a slow tokenizer's own code would."""
    tokenizer = Tokenizer(models.WordLevel({"<s>": 0, "<unk>": 1, "Hello": 2}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if begin:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return tokenizer


class Loaded:
    """What transformers loads: encodes with `encoder`, and can be converted to `backend_tokenizer`."""

    def __init__(self, encoder: Tokenizer, backend: Tokenizer | None) -> None:
        self._encoder = encoder
        self.backend_tokenizer = backend

    def __call__(self, text: str) -> dict[str, list[int]]:
        return {"input_ids": self._encoder.encode(text).ids}


def written(directory: Path, loaded: Loaded, original: Tokenizer | None) -> tuple[Tokenizer, list[str]]:
    source, target, notes = directory / "source.json", directory / "target.json", []
    if original is not None:
        original.enable_truncation(2)
        original.enable_padding()
        original.save(str(source))
    text_facts._write_tokenizer(text(), loaded, source, target, notes.append)
    return Tokenizer.from_file(str(target)), notes


def test_a_tokenizer_that_agrees_is_kept_byte_for_byte(tmp_path: Path) -> None:
    _, notes = written(tmp_path, Loaded(words(begin=True), words(begin=True)), words(begin=True))
    assert (tmp_path / "target.json").read_bytes() == (tmp_path / "source.json").read_bytes()
    assert notes == []


def test_a_tokenizer_that_does_not_agree_is_rewritten_and_said(tmp_path: Path) -> None:
    tokenizer, notes = written(tmp_path, Loaded(words(begin=True), words(begin=True)), words(begin=False))
    assert tokenizer.encode("Hello").ids == [0, 2]
    assert len(notes) == 1


def test_a_slow_tokenizer_is_converted_without_truncation(tmp_path: Path) -> None:
    backend = words(begin=True)
    backend.enable_truncation(2)
    tokenizer, notes = written(tmp_path, Loaded(words(begin=True), backend), None)
    assert tokenizer.truncation is None
    assert tokenizer.encode("Hello Hello Hello").ids == [0, 2, 2, 2]
    assert notes == []


@pytest.mark.parametrize("backend", [None, words(begin=False)])
def test_what_cannot_be_converted_is_refused(tmp_path: Path, backend: Tokenizer | None) -> None:
    with pytest.raises(CompileError, match=r"tokenizer of my model \(Loaded\).*option\.tokenizer"):
        written(tmp_path, Loaded(words(begin=True), backend), None)


def facts(directory: Path, config: object, generation: object = None, **more: Any) -> dict[str, Any]:
    (directory / "config.json").write_text(json.dumps(config))
    if generation is not None:
        (directory / "generation_config.json").write_text(json.dumps(generation))
    tokenizer = SimpleNamespace(
        eos_token_id=None, bos_token_id=None, added_tokens_decoder={}, all_special_ids=[], chat_template=None
    )
    tokenizer.__dict__.update(more)
    return text_facts._facts(text(position_factor=2.0), tokenizer, directory)


def test_every_end_that_anybody_names_is_an_end(tmp_path: Path) -> None:
    found = facts(
        tmp_path, {"eos_token_id": 2, "vocab_size": 9}, {"eos_token_id": [5, 7, -1]}, eos_token_id=3
    )
    assert found["eos_token_ids"] == [2, 3, 5, 7]
    assert found["vocab_size"] == 9


def test_missing_facts_are_none(tmp_path: Path) -> None:
    found = facts(tmp_path, {"model_type": "opt", "vocab_size": 4})
    assert found["eos_token_ids"] == []
    assert found["bos_token_id"] is None
    assert found["max_position_embeddings"] is None


def test_named_templates_and_special_tokens(tmp_path: Path) -> None:
    added = {4: SimpleNamespace(special=True), 5: SimpleNamespace(special=False)}
    found = facts(
        tmp_path,
        {"vocab_size": 9, "n_positions": 100},
        chat_template={"default": "chat", "tool_use": "tools"},
        added_tokens_decoder=added,
        all_special_ids=[1],
        bos_token_id=1,
    )
    assert found["chat_template"] == "chat"
    assert found["special_token_ids"] == [1, 4]
    assert found["bos_token_id"] == 1
    assert found["max_position_embeddings"] == 200
