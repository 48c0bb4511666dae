"""Items of a step: the same from Python and from machine code, where there is any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.rolling_batch.items import Frames, in_python, items
from djl_trtllm.rolling_batch.slot import Reply

WAYS = pytest.mark.parametrize("make", [in_python, items])
FRAMES = Frames([b"<%d>" % size for size in range(32)], b"|", b"idle")
replies = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.text(st.characters(categories=("Cs", "Lu")), max_size=4),
    st.builds(Reply, st.text(max_size=3)),
)


def odd(text: str) -> bytes:
    return b"odd " + text.encode("utf-8", "backslashreplace")


def special(index: int, reply: Reply) -> bytes:
    return b"%d " % index + reply.data.encode("utf-8", "replace")


def expected(index: int, reply: str | Reply | None) -> bytes:
    if reply is None:
        return b"idle"
    if isinstance(reply, Reply):
        return special(index, reply)
    if any(0xD800 <= ord(letter) < 0xE000 for letter in reply):
        return odd(reply)
    data = reply.encode()
    return b"<%d>" % len(data) + data + b"|" if len(data) < 32 else odd(reply)


@WAYS
@given(st.lists(replies, max_size=8))
def test_each_reply_has_its_item(make, listed: list[str | Reply | None]) -> None:
    assert make(listed, FRAMES, odd, special) == [expected(*one) for one in enumerate(listed)]


@WAYS
def test_what_an_odd_item_raises_is_raised(make) -> None:
    def fails(_: str) -> bytes:
        raise ValueError("no item")

    with pytest.raises(ValueError, match="no item"):
        make(["x" * 32], FRAMES, fails, special)
