"""The ends of long texts are those of the whole, and little more than them is encoded."""

from __future__ import annotations

import random

import pytest

from djl_trtllm.rolling_batch import clipping
from djl_trtllm.rolling_batch.clipping import clipped
from tests.support import vocabularies

KINDS = sorted(vocabularies.KINDS)
LONG = 12 * clipping._LEAST


def encoder(kind: str):
    backend = vocabularies.vocabulary(kind)
    seen: list[int] = []

    def encode(text: str, special: bool) -> list[int]:
        seen.append(len(text))
        return backend.encode_batch([text], add_special_tokens=special)[0].ids

    return encode, seen


def prose(length: int) -> str:
    dice = random.Random(length)
    words = " ".join(vocabularies.TEXTS).split()
    return " ".join(dice.choices(words, k=length // 4))[:length]


@pytest.mark.parametrize("kind", KINDS)
def test_both_ends_are_those_of_the_whole(kind: str) -> None:
    encode, seen = encoder(kind)
    text = prose(LONG)
    whole = encode(text, True)
    seen.clear()
    for wanted in (1, 100, 1000):
        assert clipped(encode, text, True, wanted, end=True)[-wanted:] == whole[-wanted:]
        assert clipped(encode, text, True, wanted, end=False)[:wanted] == whole[:wanted]
    assert max(seen) < len(text) / 2


def test_a_short_text_is_encoded_whole_and_once() -> None:
    encode, seen = encoder("llama")
    text = prose(clipping._LEAST)
    assert clipped(encode, text, True, 5, end=True) == encode(text, True)
    assert seen == [len(text)] * 2


def test_few_tokens_in_many_characters_are_looked_for_further_away() -> None:
    """A token for a thousand characters, as of blanks."""
    seen: list[int] = []

    def encode(text: str, special: bool) -> list[int]:
        seen.append(len(text))
        return list(range(len(text) // 1000))

    assert clipped(encode, "x" * 10_000_000, True, 100, end=False)[:100] == list(range(100))
    assert max(seen) < 1_000_000


def test_parts_that_never_agree_have_an_end() -> None:
    dice, seen = random.Random(3), []

    def encode(text: str, special: bool) -> list[int]:
        seen.append(len(text))
        return [dice.randrange(1000) for _ in range(len(text))]

    assert len(clipped(encode, "x" * 10_000_000, True, 100, end=True)) > 100
    assert max(seen) < 1_000_000
