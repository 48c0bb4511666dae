"""A token's JSON is kept per id, and only for the very text it was made for."""

from __future__ import annotations

import json

from djl_trtllm.formats.quoting import quote
from djl_trtllm.formats.token_json import TokenJson


def test_a_token_is_spelled_once() -> None:
    tokens = TokenJson(frozenset({2}), str)
    text = " hi"
    assert tokens.whole(7, text, -0.5) == '{"id":7,"text":" hi","log_prob":-0.500000}'
    assert tokens.known[7][0] is text
    assert tokens.whole(2, "", None) == '{"id":2,"text":"","log_prob":null,"special_token":true}'


def test_another_text_of_the_same_token_does_not_replace_it() -> None:
    tokens = TokenJson(frozenset(), str)
    tokens.whole(7, "a", None)
    assert json.loads(tokens.whole(7, "b", None))["text"] == "b"
    assert json.loads(tokens.whole(7, "a", None))["text"] == "a"
    assert len(tokens.known) == 1


def test_no_number_that_json_lacks() -> None:
    tokens = TokenJson(frozenset(), str)
    for bad in (float("nan"), float("inf"), float("-inf")):
        assert json.loads(tokens.whole(1, "x", bad))["log_prob"] is None


def test_quotes_keep_a_line_one_line() -> None:
    assert quote("a\u2028b\u0085c\nd") == '"a\\u2028b\\u0085c\\nd"'
