"""Which decoders a table can follow, and what it says token by token."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models

from djl_trtllm.text.table import Pieces, TokenTable, byte_level, spelling
from djl_trtllm.text.vocabulary import Vocabulary
from tests.support.vocabularies import BY_TABLE, vocabulary

REPLACE = decoders.Replace("▁", " ")
FALLBACK, FUSE, STRIP = decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)


def with_decoder(decoder: Any) -> Vocabulary:
    tokenizer = Tokenizer(models.BPE({"a": 0, "▁a": 1, "<0x41>": 2}, []))
    if decoder is not None:
        tokenizer.decoder = decoder
    return Vocabulary(tokenizer)


@pytest.mark.parametrize(
    "decoder",
    [
        decoders.ByteLevel(),
        decoders.Sequence([decoders.ByteLevel(), FUSE]),
        decoders.Metaspace(),
        decoders.WordPiece(),
        decoders.WordPiece(prefix="_", cleanup=False),
        decoders.Sequence([REPLACE, FALLBACK, FUSE, STRIP]),
        decoders.Sequence([REPLACE, FALLBACK, FUSE]),
        decoders.Sequence([REPLACE, FALLBACK]),
        decoders.Sequence([REPLACE, FUSE, STRIP]),
    ],
)
def test_known(decoder: Any) -> None:
    assert spelling(with_decoder(decoder)) is not None


@pytest.mark.parametrize(
    "decoder",
    [
        None,
        decoders.Sequence([decoders.WordPiece(), FUSE]),
        decoders.BPEDecoder(),
        decoders.CTC(),
        decoders.Sequence([FALLBACK, REPLACE, FUSE]),
        decoders.Sequence([REPLACE, FALLBACK, STRIP]),
        decoders.Sequence([REPLACE, FALLBACK, FUSE, decoders.Strip(" ", 2, 0)]),
        decoders.Sequence([REPLACE, FALLBACK, FUSE, decoders.Strip(" ", 1, 1)]),
        decoders.Sequence([decoders.Replace("", "x"), FALLBACK, FUSE]),
        decoders.Sequence([decoders.ByteLevel(), decoders.Metaspace()]),
    ],
)
def test_unknown(decoder: Any) -> None:
    assert spelling(with_decoder(decoder)) is None


def test_a_decoder_that_cleans_the_whole_text_up_is_unknown() -> None:
    def decode(tokens: list[str]) -> str:
        return " ".join(tokens).replace(" ##", "").replace(" .", ".").replace(" do not", " don't")

    tokenizer = SimpleNamespace(decoder=SimpleNamespace(decode=decode))
    made = SimpleNamespace(decoder_steps=[{"type": "WordPiece"}], tokenizer=tokenizer)
    assert decode(["a", "b", "##c", "."]) == "a bc."
    assert spelling(made) is None  # type: ignore[arg-type]


def test_a_pattern_that_is_a_regular_expression_is_unknown() -> None:
    described = json.loads(Tokenizer(models.BPE()).to_str())
    replace = {"type": "Replace", "pattern": {"Regex": "a+"}, "content": " "}
    described["decoder"] = {"type": "Sequence", "decoders": [replace, {"type": "Fuse"}]}
    assert spelling(Vocabulary(Tokenizer.from_str(json.dumps(described)))) is None


@pytest.mark.parametrize("kind", BY_TABLE)
@pytest.mark.parametrize("skip", [True, False])
def test_every_token_says_what_it_says_after_another(kind: str, skip: bool) -> None:
    tokenizer = vocabulary(kind)
    known = Vocabulary(tokenizer)
    found = spelling(known)
    assert found is not None
    table = TokenTable(known, skip, found.to_bytes)
    anchor = tokenizer.token_to_id("x")
    before = len(tokenizer.decode([anchor], skip))
    for token_id in range(tokenizer.get_vocab_size() + 3):
        text = table[token_id]
        shown = tokenizer.decode([anchor, token_id], skip)[before:]
        assert shown == (table.raw[token_id].decode("utf-8", "replace") if text is None else text)
    assert len(table) == tokenizer.get_vocab_size()


def test_byte_level_spelling() -> None:
    assert byte_level("ĠHi") == b" Hi"
    assert byte_level("ðŁĺĢ") == "😀".encode()
    assert byte_level("two words") == b"two words"


def test_byte_tokens_are_read_as_the_library_reads_them() -> None:
    pieces = Pieces([("▁", " ")], byte_fallback=True)
    assert [pieces(t) for t in ("<0x41>", "<0xff>", "<0x+1>")] == [b"A", b"\xff", b"\x01"]
    odd = ("<0x4>", "<0x-1>", "<0x 1>", "<0xé>", "<0x411>", "0x4100")
    assert [pieces(t) for t in odd] == [t.encode() for t in odd]
    assert Pieces([], byte_fallback=False)("<0x41>") == b"<0x41>"
    tokens = ["<0x41>", "<0xff>", "<0x+1>", *odd]
    tokenizer = Tokenizer(models.BPE({token: n for n, token in enumerate(tokens)}, []))
    tokenizer.decoder = FALLBACK
    for n, token in enumerate(tokens):
        assert tokenizer.decode([n]) == pieces(token).decode("utf-8", "replace")
