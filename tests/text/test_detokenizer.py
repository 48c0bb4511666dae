"""Streams against one decode of everything, for each kind of tokenizer and each way of decoding."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders

from djl_trtllm.text.detokenizer import Detokenizers, Way
from djl_trtllm.text.vocabulary import Vocabulary
from tests.support.vocabularies import BY_TABLE, BYTE_LEVEL, KINDS, TEXTS, WITH_BYTE_FALLBACK, vocabulary
from tests.text.stream_oracle import HAS_STREAM, PAIRS, WAYS, expected, maker, prompt_ids, stream

PROMPTS = (None, *TEXTS[:5], TEXTS[8])


def token_ids(kind: str) -> st.SearchStrategy[list[int]]:
    """Any ids, with many bytes, unfinished characters, special tokens and ids that do not exist."""
    tokenizer = vocabulary(kind)
    size = tokenizer.get_vocab_size()
    singles = sorted(
        i for token, i in tokenizer.get_vocab().items() if len(token) == 1 or token.startswith("<")
    )
    one = st.one_of(st.integers(0, size - 1), st.sampled_from(singles), st.integers(0, size + 9))
    return st.lists(one, max_size=40)


@pytest.mark.parametrize(("kind", "way"), PAIRS)
@given(data=st.data(), prompt=st.sampled_from(PROMPTS), skip=st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_ids_give_the_text_of_one_decode(
    kind: str, way: Way, data: st.DataObject, prompt: str | None, skip: bool
) -> None:
    before, ids = prompt_ids(kind, prompt), data.draw(token_ids(kind))
    texts, tail = stream(kind, way, before, ids, skip)
    assert "".join(texts) + tail == expected(kind, before, ids, skip)


@pytest.mark.parametrize(("kind", "way"), PAIRS)
@given(text=st.text(max_size=60) | st.sampled_from(TEXTS), prompt=st.sampled_from(PROMPTS))
@settings(max_examples=60, deadline=None)
def test_real_text_gives_the_text_of_one_decode(kind: str, way: Way, text: str, prompt: str | None) -> None:
    tokenizer, before = vocabulary(kind), prompt_ids(kind, prompt)
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    texts, tail = stream(kind, way, before, ids, skip=True)
    whole, known = tokenizer.decode([*before, *ids]), tokenizer.decode(before)
    assert known + "".join(texts) + tail == whole


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", WITH_BYTE_FALLBACK)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_valid_byte_runs_give_the_text_of_one_decode(kind: str, way: Way, data: st.DataObject) -> None:
    ids = data.draw(token_ids(kind))
    whole = vocabulary(kind).decode(ids)
    if "\ufffd" not in whole:
        texts, tail = stream(kind, way, [], ids, skip=True)
        assert "".join(texts) + tail == whole


@pytest.mark.parametrize(
    ("kind", "way"), [p for p in PAIRS if p[0] in BYTE_LEVEL or p[0] in WITH_BYTE_FALLBACK]
)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_nothing_is_sent_that_could_still_change(kind: str, way: Way, data: st.DataObject) -> None:
    tokenizer, before = vocabulary(kind), prompt_ids(kind, "a")
    ids = data.draw(token_ids(kind))
    texts, _ = stream(kind, way, before, ids, skip=True)
    final = expected(kind, before, ids, skip=True)
    for end in range(len(ids) + 1):
        sent = "".join(texts[:end])
        assert final.startswith(sent)
        decided = {
            expected(kind, before, [*ids[:end], *more], skip=True)[: len(sent)] for more in _endings(kind)
        }
        assert decided == {sent}, tokenizer.decode(ids)


def _endings(kind: str) -> list[list[int]]:
    """Ways in which an unfinished character can go on."""
    tokenizer = vocabulary(kind)
    spelling = [chr(0x100 + 94 + n) for n in range(0, 34, 11)]  # bytes 0x80.. in GPT-2's alphabet: U+0122..
    if kind in WITH_BYTE_FALLBACK:
        spelling = ["<0x80>", "<0x9F>", "<0xBF>"]
    followers = [tokenizer.token_to_id(token) for token in spelling]
    return [[], *([f] * n for f in followers if f is not None for n in (1, 2, 3))]


@pytest.mark.parametrize(("kind", "way"), PAIRS)
def test_ids_outside_the_vocabulary_say_nothing(kind: str, way: Way) -> None:
    detokenizer = maker(kind, way).make(prompt_ids(kind, "a"), True)
    for token_id in (10**6, 2**32 - 1, 2**32, 2**70, -1):
        assert [detokenizer.step(token_id) for _ in range(40)] == [""] * 40
    assert detokenizer.flush() == ""
    assert detokenizer.recovered == 0


@pytest.mark.parametrize(("kind", "way"), PAIRS)
def test_flush_gives_the_tail_once_and_a_stream_can_go_on(kind: str, way: Way) -> None:
    before = prompt_ids(kind, "the")
    ids = vocabulary(kind).encode("the fox 😀", add_special_tokens=False).ids
    detokenizer = maker(kind, way).make(before, True)
    first = "".join(map(detokenizer.step, ids[:-1])) + detokenizer.flush()
    assert detokenizer.flush() == ""
    assert first == expected(kind, before, ids[:-1], skip=True)
    assert isinstance(detokenizer.step(ids[0]) + detokenizer.flush(), str)


@pytest.mark.parametrize(("kind", "way"), PAIRS)
@pytest.mark.parametrize("skip", [True, False])
def test_added_and_special_tokens(kind: str, way: Way, skip: bool) -> None:
    tokenizer, before = vocabulary(kind), prompt_ids(kind, "fox")
    names = ("<tool>", "</s>", "größe", "<|end of turn|>", "two words", "</s>", "</s>")
    ids = [tokenizer.token_to_id(name) for name in names]
    assert None not in ids
    texts, tail = stream(kind, way, before, ids, skip)
    text = "".join(texts) + tail
    assert text == expected(kind, before, ids, skip)
    assert ("</s>" in text) is not skip
    assert "<tool>" in text
    if kind not in BYTE_LEVEL:  # the library itself reads "größe" as bytes of its alphabet there
        assert "größe" in text
    assert "two words" in text


@pytest.mark.parametrize("way", [way for way in WAYS if way != "table"])
def test_a_decoder_that_takes_back_what_it_said_is_survived_and_counted(way: Way) -> None:
    """DecodeStream raises "Invalid prefix" here: a bad byte after a good character of the same run."""
    tokenizer = vocabulary("without_replacement")
    ids = [
        tokenizer.token_to_id(t) for t in ("a", "<0xC3>", "<0xA9>", "<0x80>", "<0x80>", "b", "▁a", "b", "c")
    ]
    detokenizer = Detokenizers(Vocabulary(tokenizer), way).make([], True)
    text = "".join(map(detokenizer.step, ids)) + detokenizer.flush()
    assert text.startswith("aé")
    assert text.endswith("b abc")
    if way == "stream":
        assert detokenizer.recovered == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_best_way_is_chosen(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    best = "table" if kind in BY_TABLE else "stream" if HAS_STREAM else "window"
    assert Detokenizers(Vocabulary(vocabulary(kind))).way == best
    monkeypatch.delattr(decoders, "DecodeStream", raising=False)
    old = Detokenizers(Vocabulary(vocabulary(kind)))
    assert old.way == ("table" if kind in BY_TABLE else "window")
    ids = vocabulary(kind).encode("the quick fox", add_special_tokens=False).ids
    detokenizer = old.make([], True)
    assert "".join(map(detokenizer.step, ids)) + detokenizer.flush() == vocabulary(kind).decode(ids)
