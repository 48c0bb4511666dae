"""Long random streams of every kind of tokenizer and every way of decoding, against what they must say."""

from __future__ import annotations

import random

import pytest

from djl_trtllm.text.detokenizer import Detokenizers, Way
from djl_trtllm.text.vocabulary import Vocabulary
from tests.support.vocabularies import vocabulary
from tests.text.stream_checks import BY_BYTES, LENGTHS, any_ids, real_text
from tests.text.stream_oracle import (
    PAIRS,
    WAYS,
    maker,
    prompt_ids,
    random_ids,
    token_bytes,
)

DEFAULT, LONG = 1_500, 100_001
"""Tokens for each pair; a kind has two or three ways."""


def recoveries(way: Way, tokens: int) -> int:
    """How often a decoder that takes back what it said was recovered; each stream goes on.

    Only DecodeStream says that it was taken back; a window goes on from there by itself.
    """
    rng, recovered = random.Random(tokens), 0
    tokenizer = vocabulary("without_replacement")
    end = tokenizer.encode(" ab a", add_special_tokens=False).ids
    while tokens > 0:
        ids = random_ids("without_replacement", rng, rng.choice(LENGTHS))
        detokenizer = Detokenizers(Vocabulary(tokenizer), way).make([], True)
        text = "".join(map(detokenizer.step, [*ids, *end])) + detokenizer.flush()
        assert text.endswith(" ab a")
        recovered += detokenizer.recovered
        tokens -= len(ids)
    return recovered


@pytest.mark.parametrize(("kind", "way"), PAIRS)
def test_any_ids(kind: str, way: Way) -> None:
    assert any_ids(kind, way, DEFAULT) == 0


@pytest.mark.parametrize(("kind", "way"), PAIRS)
def test_real_text(kind: str, way: Way) -> None:
    assert real_text(kind, way, DEFAULT) == 0


@pytest.mark.parametrize(("kind", "way"), PAIRS)
def test_looking_up_first_gives_what_steps_give(kind: str, way: Way) -> None:
    rng = random.Random(11)
    for _ in range(40):
        ids, before = random_ids(kind, rng, 20), random_ids(kind, rng, rng.randint(0, 3))
        by_step, by_look_up = (maker(kind, way).make(before, True) for _ in range(2))
        for token_id in ids:
            text = by_look_up.look_up(token_id)
            assert by_step.step(token_id) == (by_look_up.step(token_id) if text is None else text)
        assert by_look_up.flush() == by_step.flush()


@pytest.mark.parametrize("way", WAYS[1:])
def test_odd_byte_runs_are_recovered_and_counted(way: Way) -> None:
    assert (recoveries(way, DEFAULT) > 0) is (way == "stream")


@pytest.mark.parametrize(("kind", "way"), BY_BYTES)
def test_a_prompt_that_ends_within_a_character_keeps_its_half(kind: str, way: Way) -> None:
    """A cut prompt: the rest of its character, coming in the output, is broken bytes there."""
    rng = random.Random(3)
    for _ in range(60):
        ids, before = (
            random_ids(kind, rng, 20),
            [*prompt_ids(kind, "a"), *random_ids(kind, rng, rng.randint(1, 9))],
        )
        detokenizer = maker(kind, way).make(before, True)
        text = "".join(map(detokenizer.step, ids)) + detokenizer.flush()
        assert text == token_bytes(kind, ids, True).decode("utf-8", "replace")


@pytest.mark.long
@pytest.mark.parametrize(("kind", "way"), PAIRS)
def test_any_ids_at_length(kind: str, way: Way) -> None:
    assert any_ids(kind, way, LONG) == 0


@pytest.mark.long
@pytest.mark.parametrize(("kind", "way"), PAIRS)
def test_real_text_at_length(kind: str, way: Way) -> None:
    assert real_text(kind, way, LONG) == 0


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS[1:])
def test_odd_byte_runs_at_length(way: Way) -> None:
    assert (recoveries(way, LONG) > 0) is (way == "stream")
