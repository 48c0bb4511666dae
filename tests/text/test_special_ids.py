from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.errors import ArtifactError
from djl_trtllm.text.special_ids import read
from tests.support.vocabularies import vocabulary

END = vocabulary("byte_level").token_to_id("</s>")


def facts(directory: Path, **files: Any) -> Any:
    for name, value in files.items():
        (directory / f"{name}.json").write_text(json.dumps(value))
    return read(directory, vocabulary("byte_level"))


@pytest.mark.parametrize(
    ("files", "ids"),
    [
        ({}, ()),
        ({"config": {"eos_token_id": 5}}, (5,)),
        ({"config": {"eos_token_id": None}}, ()),
        ({"config": {"eos_token_id": 5}, "generation_config": {"eos_token_id": [7, 5]}}, (7, 5)),
        ({"config": {"eos_token_id": 5}, "generation_config": {}}, (5,)),
        ({"config": {"eos_token_id": 5}, "tokenizer_config": {"eos_token": "</s>"}}, (5, END)),
        ({"tokenizer_config": {"eos_token": {"content": "</s>", "lstrip": False}}}, (END,)),
        ({"special_tokens_map": {"eos_token": "</s>"}}, (END,)),
        ({"tokenizer_config": {"eos_token": "<not there>"}}, ()),
        ({"generation_config": {"eos_token_id": [END, True, -1, "x"]}}, (END,)),
        ({"generation_config": {"eos_token_id": 9}, "text": {"eos_token_ids": [3]}}, (3,)),
        ({"generation_config": {"eos_token_id": 9}, "text": {"eos_token_ids": []}}, ()),
    ],
)
def test_ends_of_generation(tmp_path: Path, files: dict[str, Any], ids: tuple[int, ...]) -> None:
    assert facts(tmp_path, **files).eos_ids == ids


def test_special_token_names(tmp_path: Path) -> None:
    found = facts(
        tmp_path,
        special_tokens_map={
            "bos_token": "<old>",
            "unk_token": {"content": "<unk>"},
            "additional_special_tokens": [],
        },
        tokenizer_config={"bos_token": "<s>", "eos_token": None, "pad_token": 3},
    )
    assert found.special_tokens == {"bos_token": "<s>", "unk_token": "<unk>"}
    assert (found.bos_token, found.eos_token) == ("<s>", "")


def test_vocabulary_size(tmp_path: Path) -> None:
    assert facts(tmp_path, config={"vocab_size": 12}).vocab_size == 12
    assert facts(tmp_path, text={"vocab_size": 13}).vocab_size == 13


def test_chat_template(tmp_path: Path) -> None:
    assert facts(tmp_path).chat_template is None
    named = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]
    assert facts(tmp_path, tokenizer_config={"chat_template": named}).chat_template == "d"
    assert facts(tmp_path, tokenizer_config={"chat_template": "c"}).chat_template == "c"
    (tmp_path / "chat_template.jinja").write_text("from its own file")
    assert facts(tmp_path).chat_template == "from its own file"
    assert facts(tmp_path, text={"chat_template": "compiled"}).chat_template == "compiled"


@pytest.mark.parametrize("content", [b"[" * 100_000, b"\xff", b"{", b"[1]"])
def test_a_broken_file_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "generation_config.json").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"generation_config\.json is not"):
        facts(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text("{}")
    monkeypatch.setattr(Path, "read_bytes", lambda self: (_ for _ in ()).throw(PermissionError(13, "no")))
    with pytest.raises(ArtifactError, match=r"config\.json cannot be read \(no\)"):
        facts(tmp_path)


def test_odd_values_count_as_not_there(tmp_path: Path) -> None:
    (tmp_path / "chat_template.jinja").write_bytes(b"a\xffb")
    found = facts(tmp_path, text={"longest_token_bytes": "8", "vocab_size": True}, config={"vocab_size": -5})
    assert (found.longest_token_bytes, found.vocab_size, found.chat_template) == (None, 0, "a\ufffdb")
