from __future__ import annotations

import json
from pathlib import Path

import pytest

from djl_trtllm.engines.guides.vocabulary import read
from tests.support.vocabularies import vocabulary


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "tokenizer.json").write_text(vocabulary("byte_level").to_str(), encoding="utf-8")
    return tmp_path


def test_tokens_stand_at_their_ids(directory: Path) -> None:
    tokenizer = vocabulary("byte_level")
    found = read(directory, (1,), 1000)
    assert len(found.tokens) == tokenizer.get_vocab_size()
    assert found.whole
    assert list(found.stops) == [1]
    for number, token in enumerate(found.tokens):
        assert token in ("", tokenizer.id_to_token(number))


def test_special_tokens_are_no_text_unless_they_end_the_answer(directory: Path) -> None:
    turn = vocabulary("byte_level").token_to_id("<|end of turn|>")
    assert read(directory, (1,), 1000).tokens[turn] == ""
    assert read(directory, (1, turn), 1000).tokens[turn] == "<|end of turn|>"
    # A token that was merely added is text like any other.
    assert "<tool>" in read(directory, (1,), 1000).tokens


def test_no_more_tokens_than_the_model_has(directory: Path) -> None:
    found = read(directory, (1, 700), 300)
    assert len(found.tokens) == 300
    assert not found.whole
    assert list(found.stops) == [1]


def test_a_gap_is_a_token_that_never_comes(directory: Path) -> None:
    described = json.loads((directory / "tokenizer.json").read_text(encoding="utf-8"))
    described["model"]["vocab"]["far away"] = 600
    (directory / "tokenizer.json").write_text(json.dumps(described), encoding="utf-8")
    found = read(directory, (1,), 1000)
    assert (found.tokens[599], found.tokens[600], found.whole) == ("", "far away", False)


def test_what_is_no_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"tokenizer\.json"):
        read(tmp_path, (1,), 10)
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be read"):
        read(tmp_path, (1,), 10)
