from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.formats.python_literal import Literals, NotLiteral

literals = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(literals)
def test_what_python_writes_is_read(value: object) -> None:
    text = repr(value)
    reader = Literals(f" {text} ")
    assert reader.value() == ast.literal_eval(text) == value
    reader.expect_end()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"a\\u00e9\\x41\\n\\q\\/"', "aéA\n\\q/"),
        ("'\\U0001F600\\U99999999'", "😀\\U99999999"),
        ("(1, 2,)", [1, 2]),
        ("{'a': true, 'b': null}", {"a": True, "b": None}),
        ("1_000", 1000),
        ("-.5e3", -500.0),
    ],
)
def test_forms(text: str, value: object) -> None:
    assert Literals(text).value() == value


@pytest.mark.parametrize("text", ["", "x", "f()", "1 +", "'a", "{1: 2}", "[1", "{'a' 1}", "__name__", "1__0"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(NotLiteral):
        _read(text)


def _read(text: str) -> None:
    reader = Literals(text)
    reader.value()
    reader.expect_end()
