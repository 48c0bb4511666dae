"""Single tokens as they read inside a text."""

from __future__ import annotations

import pytest

from djl_trtllm.text.special_ids import Facts
from djl_trtllm.text.tokenizer import Tokenizer
from tests.support.vocabularies import BY_TABLE, KINDS, TEXTS, WORDPIECE, vocabulary

OUTSIDE = (-1, 10**6, 2**31, 2**32, 2**70)


def tokenizer(kind: str) -> Tokenizer:
    return Tokenizer(vocabulary(kind), Facts())


@pytest.mark.parametrize("kind", KINDS)
def test_every_token_reads_as_after_another(kind: str) -> None:
    library, ours = vocabulary(kind), tokenizer(kind)
    special = {i for i, token in library.get_added_tokens_decoder().items() if token.special}
    before = [library.token_to_id("a")]
    for token_id in range(library.get_vocab_size()):
        if token_id in special:
            expected = library.id_to_token(token_id)
        else:
            expected = library.decode([*before, token_id], skip_special_tokens=False).removeprefix("a")
        assert ours.token_text(token_id) == ours.token_text(token_id) == expected
        assert ours.token_bytes(token_id).decode("utf-8", "replace") == expected


@pytest.mark.parametrize("kind", KINDS)
def test_ids_outside_the_vocabulary_say_nothing_and_are_not_kept(kind: str) -> None:
    ours = tokenizer(kind)
    for token_id in (*OUTSIDE, vocabulary(kind).get_vocab_size()):
        assert ours.token_text(token_id) == ""
        assert ours.token_bytes(token_id) == b""
    assert not ours._texts


@pytest.mark.parametrize("kind", [kind for kind in BY_TABLE if kind not in WORDPIECE])
@pytest.mark.parametrize("text", TEXTS)
def test_bytes_of_tokens_make_the_text(kind: str, text: str) -> None:
    if kind == "metaspace":
        text = TEXTS[0]  # it has no bytes for what it does not know
    ours = tokenizer(kind)
    raw = b"".join(map(ours.token_bytes, ours.encode(text, special=False)))
    assert raw.decode() in (text, f" {text}")


def test_parts_of_characters() -> None:
    for kind, tokens in (("byte_level", ("Ã", "©")), ("llama", ("<0xC3>", "<0xA9>"))):
        ours = tokenizer(kind)
        ids = [vocabulary(kind).token_to_id(token) for token in tokens]
        assert [ours.token_text(i) for i in ids] == ["\ufffd", "\ufffd"]
        assert b"".join(map(ours.token_bytes, ids)) == "é".encode()


def test_the_blank_is_part_of_the_token() -> None:
    for kind, token in (("byte_level", "Ġqu"), ("metaspace", "▁qu"), ("wordpiece", "qu")):
        token_id = vocabulary(kind).token_to_id(token)
        assert tokenizer(kind).token_text(token_id) == " qu"
        assert tokenizer(kind).token_bytes(token_id) == b" qu"
