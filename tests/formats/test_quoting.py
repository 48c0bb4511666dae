from __future__ import annotations

import json
import math

from hypothesis import example, given
from hypothesis import strategies as st

from djl_trtllm.formats.quoting import array, number, quote, quote_whole


@given(st.text())
def test_a_quoted_text_is_that_text_on_one_line(text: str) -> None:
    quoted = quote(text)
    assert json.loads(quoted) == text
    assert len(f"{quoted}.".splitlines()) == 1


@given(st.text(st.characters(exclude_categories=())))
@example("".join(map(chr, range(128))))
def test_a_whole_text_is_written_as_its_pieces_are(text: str) -> None:
    assert quote_whole(text) == quote(text)


def test_what_is_no_number_is_null() -> None:
    assert [number(x) for x in (None, math.nan, -math.inf, 2e30, -0.5)] == [*["null"] * 4, "-0.500000"]
    assert array(["1", quote("a")]) == '[1,"a"]'
