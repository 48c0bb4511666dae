"""The runs of a bad word are those by which a text comes in an output."""

from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.text.special_ids import Facts
from djl_trtllm.text.tokenizer import Tokenizer
from tests.support.vocabularies import KINDS, TEXTS, vocabulary

WORDS = ("fox", "the quick", "f", "12", "тебя", "Öl", "日", "हि", "👩‍👩‍👧", "x\n", ", or", "e\u0301")


def tokenizer(kind: str) -> Tokenizer:
    return Tokenizer(vocabulary(kind), Facts())


def said(kind: str, run: tuple[int, ...]) -> str:
    """What a run says after an "a"."""
    library = vocabulary(kind)
    before = [library.token_to_id("a")]
    text = library.decode([*before, *run], skip_special_tokens=False)
    return text.removeprefix(library.decode(before))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("word", WORDS)
def test_each_run_says_the_word_with_or_without_a_blank(kind: str, word: str) -> None:
    runs = tokenizer(kind).words(word)
    assert len(set(runs)) == len(runs) <= 8
    assert all(runs)
    assert {said(kind, run) for run in runs} <= {word, f" {word}"}


@pytest.mark.parametrize(
    "kind", ["byte_level", "byte_level_prefix_space", "llama", "gemma", "tiktoken", "converted"]
)
@pytest.mark.parametrize("word", WORDS)
def test_both_are_there_where_every_text_can_be_spelled(kind: str, word: str) -> None:
    assert {said(kind, run) for run in tokenizer(kind).words(word)} == {word, f" {word}"}


@pytest.mark.parametrize("kind", ["byte_level", "tiktoken", "metaspace"])
def test_a_run_is_found_in_what_a_model_would_say(kind: str) -> None:
    """Words of a text, as the tokenizer itself writes that text."""
    library, ours = vocabulary(kind), tokenizer(kind)
    for text in TEXTS[:3]:
        ids = library.encode(f"a {text}", add_special_tokens=False).ids
        for word in text.split():
            if word.isalpha():
                runs = ours.words(word)
                assert any(tuple(ids[at : at + len(run)]) == run for run in runs for at in range(len(ids)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_word_that_begins_with_a_blank_is_taken_as_it_is(kind: str) -> None:
    runs = tokenizer(kind).words(" fox")
    assert runs
    assert {said(kind, run) for run in runs} == {" fox"}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_no_run(kind: str) -> None:
    assert tokenizer(kind).words("") == ()


@pytest.mark.parametrize("kind", ["metaspace", "wordpiece", "no_decoder"])
def test_what_has_no_tokens_has_no_runs(kind: str) -> None:
    assert tokenizer(kind).words("ጤና") == ()


def test_a_special_token_can_be_a_bad_word() -> None:
    end = vocabulary("llama").token_to_id("</s>")
    assert (end,) in tokenizer("llama").words("</s>")


def test_a_normalized_word_is_found_as_it_is_written(tmp_path: Path) -> None:
    from tokenizers import Tokenizer as Library
    from tokenizers import normalizers

    library = Library.from_str(vocabulary("byte_level").to_str())
    library.normalizer = normalizers.NFC()
    runs = Tokenizer(library, Facts()).words("e\u0301t")
    assert {library.decode(run) for run in runs} == {"\u00e9t", " \u00e9t"}
