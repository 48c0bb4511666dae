"""The table's way holds back an unfinished character and nothing else."""

from __future__ import annotations

import codecs
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from djl_trtllm.text.table import TokenTable, byte_level, spelling
from djl_trtllm.text.table_detokenizer import TableDetokenizer
from djl_trtllm.text.vocabulary import Vocabulary
from tests.support.vocabularies import vocabulary


def detokenizer(kind: str, prompt: list[int], skip: bool = True) -> TableDetokenizer:
    known = Vocabulary(vocabulary(kind))
    found = spelling(known)
    assert found is not None
    return TableDetokenizer(TokenTable(known, skip, found.to_bytes), found, prompt)


@settings(deadline=None)
@given(text=st.text(max_size=20), cuts=st.lists(st.integers(0, 258), max_size=20))
def test_all_that_is_certain_is_sent_at_once(text: str, cuts: list[int]) -> None:
    """Real text with stray bytes in between; a real U+FFFD is text like any other."""
    tokenizer = vocabulary("byte_level")
    ids = tokenizer.encode(text + "\ufffd", add_special_tokens=False).ids
    for place, token_id in enumerate(cuts):
        ids.insert(place * 3, token_id)
    stream, oracle = detokenizer("byte_level", []), codecs.getincrementaldecoder("utf-8")("replace")
    for token_id in ids:
        token = tokenizer.id_to_token(token_id)
        raw = b"" if token in ("<s>", "</s>") else byte_level(token)
        assert stream.step(token_id) == oracle.decode(raw)
    assert stream.flush() == oracle.decode(b"", final=True)


@pytest.mark.parametrize(
    ("kind", "prompt", "text"),
    [
        ("llama", [], "a a"),
        ("llama", ["<s>"], "a a"),
        ("llama", ["▁"], " a a"),
        ("llama", ["a"], " a a"),
        ("gemma", [], " a a"),
        ("metaspace", [], "a a"),
        ("metaspace", ["<s>"], "a a"),
        ("metaspace", ["▁"], " a a"),
        ("byte_level", [], " a a"),
    ],
)
def test_the_first_blank_depends_on_what_came_before(kind: str, prompt: list[str], text: str) -> None:
    tokenizer = vocabulary(kind)
    mark = tokenizer.token_to_id("Ġ" if kind == "byte_level" else "▁")
    letter, end = tokenizer.token_to_id("a"), tokenizer.token_to_id("</s>")
    stream = detokenizer(kind, [tokenizer.token_to_id(token) for token in prompt])
    assert "".join(map(stream.step, [end, 10**6, mark, letter, mark, end, letter])) + stream.flush() == text


def test_a_first_blank_written_in_bytes_counts_too() -> None:
    tokenizer = vocabulary("llama")
    blank, accent = tokenizer.token_to_id("<0x20>"), [tokenizer.token_to_id(t) for t in ("<0xC3>", "<0xA9>")]
    for ids, text in (([blank, blank], " "), ([*accent, blank], "é "), ([accent[0], blank], "\ufffd ")):
        stream = detokenizer("llama", [])
        assert "".join(map(stream.step, ids)) + stream.flush() == text


def test_a_table_grows_with_the_vocabulary_only() -> None:
    stream = detokenizer("byte_level", [])
    for token_id in range(2000):
        stream.step(token_id)
    tracemalloc.start()
    for token_id in range(100_000, 150_000):
        stream.step(token_id)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used < 20_000
