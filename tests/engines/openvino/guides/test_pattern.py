"""Expressions written out as classes of characters: the same texts, and none that breaks a JSON string."""

from __future__ import annotations

import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.engines.openvino.guides.pattern import (
    JSON_STRING,
    TEXT,
    UnreadableError,
    characters,
    rewritten,
)


def python(pattern: str) -> str:
    r"""Python has \U0010ffff where the library has \u{10ffff}."""
    return re.sub(r"\\u\{([0-9a-f]+)\}", lambda found: f"\\U{int(found[1], 16):08x}", pattern)


def matches(pattern: str, text: str) -> bool:
    return re.fullmatch(python(rewritten(pattern, TEXT)), text) is not None


@pytest.mark.parametrize(
    ("pattern", "texts", "others"),
    [
        ("[^x]{1,2}", ["a", "日\n"], ["x", "", "abc"]),
        (".", ["a", "日", "🙂", '"'], ["\n", "\r", "ab"]),
        (r"\d\D\w\W\s\S", ["1aa-\ta"], ["aaa-\ta", "1aa- \t"]),
        (r"[\d\-a-c\]]+", ["1-ac]"], ["d", "["]),
        ("[]a]", ["]", "a"], ["b"]),
        (r"[^\s,]", ["a"], [" ", ",", "\t"]),
        (r"\x41\u00e9\u{1f642}\n\.\$", ["Aé🙂\n.$"], ["Aé🙂\nx$"]),
        (r"(?:ab|c)*?d+", ["abcd", "d"], ["ab"]),
        ("^a$", ["a"], ["b"]),
        ("a{2,3}", ["aa"], ["a"]),
        ("#@/'", ["#@/'"], ["#"]),
        ("[a-]", ["-", "a"], ["b"]),
    ],
)
def test_the_same_texts(pattern: str, texts: list[str], others: list[str]) -> None:
    assert all(matches(pattern, text) and re.fullmatch(python(pattern), text) for text in texts)
    assert not any(matches(pattern, text) for text in others)


@pytest.mark.parametrize(
    ("pattern", "value"),
    [(r'a"b', 'a"b'), (r"a\\b", "a\\b"), (r"a\nb", "a\nb"), ("a\tb", "a\tb"), (r"\x08\f", "\b\f")],
)
def test_what_json_spells_otherwise_is_spelled_so(pattern: str, value: str) -> None:
    spelled = python(rewritten(pattern, JSON_STRING))
    assert re.fullmatch(spelled, json.dumps(value)[1:-1])


@pytest.mark.parametrize("pattern", [".", "[^a]", r"\S", r"\W", r"\D", r"[ -~]", r"[\s\S]"])
def test_a_class_in_a_json_string_never_ends_or_breaks_it(pattern: str) -> None:
    spelled = re.compile(python(rewritten(pattern, JSON_STRING)))
    assert not any(spelled.fullmatch(chr(code)) for code in (*range(0x20), 0x22, 0x5C))
    assert spelled.fullmatch("-")


def test_all_characters_of_a_json_string() -> None:
    whole = re.compile(python(characters(JSON_STRING)) + "*")
    text = "".join(
        map(chr, (*range(0x20, 0x22), *range(0x23, 0x5C), *range(0x5D, 0x7F), 0xA0, 0xD7FF, 0xE000))
    )
    assert whole.fullmatch(text + "日🙂")


CODES = st.integers(1, 0xD7FF) | st.integers(0xE000, 0x10FFFF)


@given(CODES, CODES)
def test_a_range_is_cut_into_ones_that_any_mixture_of_their_bytes_is_in(one: int, other: int) -> None:
    low, high = sorted((one, other))
    pieces = read_ranges(rewritten(f"[\\u{{{low:x}}}-\\u{{{high:x}}}]", TEXT))
    edges = [low, *(begin for begin, _ in pieces[1:]), high + 1]
    ends = [begin - 1 if begin != 0xE000 else 0xD7FF for begin in edges[1:]]
    assert pieces == list(zip(edges, ends, strict=False))
    for begin, end in pieces:
        first, last = chr(begin).encode(), chr(end).encode()
        assert len(first) == len(last)
        assert end - begin + 1 == math.prod(b - a + 1 for a, b in zip(first, last, strict=True))


def read_ranges(written: str) -> list[tuple[int, int]]:
    found = re.findall(r"(\\u\{\w+\}|\w)(?:-(\\u\{\w+\}|\w))?", written[1:-1])
    return [(read(low), read(high or low)) for low, high in found]


def read(spelled: str) -> int:
    return int(spelled[3:-1], 16) if len(spelled) > 1 else ord(spelled)


@pytest.mark.parametrize(
    "pattern", ["[a", "[z-a]", "a\\", r"\xg1", r"\u12", r"\u{}", r"[a-\d-", r"\q", r"\u{110000}"]
)
def test_what_is_not_read_here_is_left_to_the_library(pattern: str) -> None:
    with pytest.raises(UnreadableError):
        rewritten(pattern, TEXT)


@pytest.mark.parametrize("pattern", [r"\s", r"[\n]"])
def test_a_class_of_which_nothing_is_left(pattern: str) -> None:
    if pattern == r"\s":
        assert re.fullmatch(python(rewritten(pattern, JSON_STRING)), " ")
        return
    with pytest.raises(UnreadableError):
        rewritten(pattern, JSON_STRING)


def test_what_the_library_refuses_is_passed_on() -> None:
    assert rewritten(r"(?=a)\1\b", TEXT) == r"(?=a)\1\b"
