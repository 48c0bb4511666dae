"""The line of a token in mid-stream: the same from Python and from machine code, where there is any."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from djl_trtllm.formats.quoting import quote
from djl_trtllm.formats.token_json import TokenJson
from djl_trtllm.formats.token_line import in_python, token_line

WAYS = pytest.mark.parametrize("make", [in_python, token_line])
single = st.floats(width=32).map(lambda x: struct.unpack("f", struct.pack("f", x))[0])
log_probs = st.one_of(st.none(), st.floats(), single, st.floats(-40, 0), st.integers(-(10**9), 10**9))
halves = st.builds(lambda n, k: (n + 0.5) / 10**6 * k, st.integers(0, 10**7), st.sampled_from([1, -1]))


def expected(log_prob: float | None) -> str:
    if log_prob is None or not math.isfinite(log_prob) or abs(log_prob) >= 1e30:
        return "null"
    return f"{log_prob:.6f}"


@WAYS
@given(st.integers(0, 300_000), st.text(max_size=8), st.one_of(log_probs, halves))
@example(1, "x", -0.0)
@example(1, "x", -1e-9)
@example(1, "x", 0.9999995)
@example(1, "x", -999999.9999996)
@example(1, "x", 1e6)
@example(1, "x", 0.0000005)
def test_it_is_what_python_would_format(make, token: int, text: str, log_prob: float | None) -> None:
    line = make(TokenJson(frozenset({2}), str), '{"token":', "}\n")
    closing = ',"special_token":true}' if token == 2 else "}"
    whole = f'{{"token":{{"id":{token},"text":{quote(text)},"log_prob":{expected(log_prob)}{closing}}}\n'
    assert line(token, text, log_prob) == whole
    assert line(token, text, log_prob) == whole, "now that the token is known"


@WAYS
def test_a_token_that_says_something_else_than_before(make) -> None:
    line = make(TokenJson(frozenset(), str), "", "")
    assert [line(5, "a", -1.0), line(5, "b", -1.0), line(5, "a", -1.0)] == [
        '{"id":5,"text":"a","log_prob":-1.000000}',
        '{"id":5,"text":"b","log_prob":-1.000000}',
        '{"id":5,"text":"a","log_prob":-1.000000}',
    ]
