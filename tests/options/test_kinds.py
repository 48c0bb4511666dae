from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.options import kinds
from djl_trtllm.options.kinds import Size, Tokens
from djl_trtllm.options.table import SPECS


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (kinds.BOOL, "TRUE", True),
        (kinds.BOOL, "0", False),
        (kinds.integer(1, 999), "999", 999),
        (kinds.integer(-5, 5), "-5", -5),
        (kinds.power_of_two(1, 1024), "128", 128),
        (kinds.number(0, 1), "1", 1.0),
        (kinds.number(1, 8, above=True), "1.5", 1.5),
        (kinds.choice("exact", "fast"), "EXACT", "exact"),
        (kinds.choice("fp16", synonyms={"half": "fp16"}), "Half", "fp16"),
        (kinds.SIZE, "64KiB", Size(65536)),
        (kinds.SIZE, "1.5g", Size(3 * 2**29)),
        (kinds.SIZE, "2GB", Size(2 * 10**9)),
        (kinds.SIZE, "4096", Size(4096)),
        (kinds.SIZE_OR_TOKENS, "2GiB", Size(2**31)),
        (kinds.SIZE_OR_TOKENS, "8192", Tokens(8192)),
        (kinds.FRACTION_OR_SIZE, "0.9", 0.9),
        (kinds.FRACTION_OR_SIZE, "8GiB", Size(2**33)),
        (kinds.DEGREE, "MAX", "max"),
        (kinds.DEGREE, "04", "4"),
        (kinds.ADDRESS, "s3://bucket/prefix/", "s3://bucket/prefix"),
        (kinds.optional(kinds.ADDRESS), "off", None),
        (kinds.optional(kinds.integer(1, 5)), "None", None),
        (kinds.optional(kinds.integer(1, 5)), "3", 3),
    ],
)
def test_good_values(kind: kinds.Kind, text: str, value: object) -> None:
    parsed = kind.parse(text)
    assert parsed == value
    assert type(parsed) is type(value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (kinds.BOOL, "maybe"),
        (kinds.integer(1, 999), "0"),
        (kinds.integer(1, 999), "1000"),
        (kinds.integer(1, 999), "1_0"),
        (kinds.integer(1, 999), "1.0"),
        (kinds.integer(1, 999), "\u0661"),
        (kinds.integer(1, 999), "9" * 5000),
        (kinds.power_of_two(1, 1024), "96"),
        (kinds.number(0, 1), "nan"),
        (kinds.number(0, 1), "1.1"),
        (kinds.number(0, 1), "1_0"),
        (kinds.number(1, 8, above=True), "1"),
        (kinds.choice("exact", "fast"), "quick"),
        (kinds.SIZE, "lots"),
        (kinds.SIZE, "3iB"),
        (kinds.SIZE, "-1"),
        (kinds.SIZE_OR_TOKENS, "0"),
        (kinds.FRACTION_OR_SIZE, "0"),
        (kinds.FRACTION_OR_SIZE, "nan"),
        (kinds.DEGREE, "0"),
        (kinds.DEGREE, "all"),
        (kinds.optional(kinds.integer(1, 5)), "6"),
        (kinds.ADDRESS, "/a/directory"),
        (kinds.ADDRESS, "s3://key:secret@bucket/prefix"),
    ],
)
def test_bad_values(kind: kinds.Kind, text: str) -> None:
    with pytest.raises(ValueError):
        kind.parse(text)


@given(st.text(max_size=30))
def test_any_text_is_a_value_or_a_value_error(text: str) -> None:
    for name, spec in SPECS.items():
        try:
            value = spec.kind.parse(text)
        except (ValueError, OverflowError):
            continue
        assert not (isinstance(value, float) and not math.isfinite(value)), name


@given(st.integers(0, 2**50))
def test_sizes_read_back_as_written(amount: int) -> None:
    assert kinds.SIZE.parse(str(Size(amount))) == Size(amount)
    assert kinds.SIZE_OR_TOKENS.parse(str(Tokens(amount + 1))) == Tokens(amount + 1)
