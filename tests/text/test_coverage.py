"""The bound is never too low: no text has fewer tokens than it says."""

from __future__ import annotations

import json
import sys
import unicodedata
from collections import defaultdict
from typing import Any, Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers

from djl_trtllm.text.coverage import longest_token_bytes
from tests.support.vocabularies import vocabulary

BOUNDED = ("byte_level", "byte_level_prefix_space", "llama", "gemma")


def copy(kind: str, **parts: Any) -> Tokenizer:
    tokenizer = Tokenizer.from_str(vocabulary(kind).to_str())
    for name, part in parts.items():
        setattr(tokenizer, name, part)
    return tokenizer


@pytest.mark.parametrize("kind", BOUNDED)
@settings(deadline=None)
@given(text=st.text(max_size=80))
@example(text=" " * 200)
@example(text="</s>" * 9 + "größetwo words")
@example(text="the " * 50)
def test_no_text_has_fewer_tokens(kind: str, text: str) -> None:
    tokenizer = vocabulary(kind)
    longest = longest_token_bytes(tokenizer)
    assert 3 < longest < 100
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert len(ids) * longest >= len(text.encode())


@pytest.mark.parametrize("form", ["NFC", "NFKC", "NFD", "NFKD"])
def test_normal_forms_shrink_no_character_more_than_fourfold(
    form: Literal["NFC", "NFKC", "NFD", "NFKD"],
) -> None:
    """Longest ways to write each character: of its parts, each written with its longest equivalent."""
    decompose: Literal["NFD", "NFKD"] = "NFD" if form in ("NFC", "NFD") else "NFKD"
    longest: defaultdict[str, int] = defaultdict(int)
    characters = [
        chr(n) for n in range(sys.maxunicode + 1) if unicodedata.category(chr(n)) not in ("Cn", "Co", "Cs")
    ]
    for c in characters:
        parts = unicodedata.normalize(decompose, c)
        if len(parts) == 1:
            longest[parts] = max(longest[parts], len(c.encode()))
        assert unicodedata.normalize(form, c)
        assert len(c.encode()) <= 4 * len(unicodedata.normalize(form, c).encode())
    for c in characters:
        if unicodedata.normalize(form, c) == c:  # may come out of the normalizer, put together from its parts
            parts = unicodedata.normalize("NFD", c)
            assert sum(longest[part] for part in parts) <= 4 * len(c.encode())


def test_a_normal_form_makes_the_bound_looser() -> None:
    plain = longest_token_bytes(copy("byte_level"))
    composed = copy("byte_level", normalizer=normalizers.Sequence([normalizers.NFC()]))
    assert longest_token_bytes(composed) == 4 * plain


@pytest.mark.parametrize("kind", ["metaspace", "wordpiece", "no_decoder", "without_some_bytes"])
def test_no_bound_where_unknown_text_is_one_token_or_none(kind: str) -> None:
    assert longest_token_bytes(vocabulary(kind)) == 0


@pytest.mark.parametrize(
    "parts",
    [
        {"normalizer": normalizers.Strip()},
        {"normalizer": normalizers.Replace("  ", " ")},
        {"normalizer": normalizers.Replace(Regex(" +"), " ")},
        {"normalizer": normalizers.Lowercase()},
        {
            "pre_tokenizer": pre_tokenizers.Sequence(
                [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel()]
            )
        },
        {
            "pre_tokenizer": pre_tokenizers.Sequence(
                [pre_tokenizers.Split(" ", "removed"), pre_tokenizers.ByteLevel()]
            )
        },
    ],
)
def test_no_bound_where_text_is_dropped(parts: dict[str, Any]) -> None:
    assert longest_token_bytes(copy("byte_level", **parts)) == 0


def test_no_bound_where_an_added_token_swallows_blanks() -> None:
    tokenizer = copy("byte_level")
    tokenizer.add_tokens([AddedToken("<mask>", lstrip=True)])
    assert longest_token_bytes(tokenizer) == 0


def test_no_bound_where_a_byte_has_no_token() -> None:
    described = json.loads(vocabulary("byte_level").to_str())
    del described["model"]["vocab"]["Ģ"]
    described["model"]["merges"] = []
    assert longest_token_bytes(Tokenizer.from_str(json.dumps(described))) == 0


def test_no_bound_where_unknown_characters_are_not_spelled_in_bytes() -> None:
    described = json.loads(vocabulary("llama").to_str())
    described["model"]["byte_fallback"] = False
    assert longest_token_bytes(Tokenizer.from_str(json.dumps(described))) == 0
