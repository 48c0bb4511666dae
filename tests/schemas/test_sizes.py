from __future__ import annotations

import contextlib
import json

import pytest

from djl_trtllm.errors import InvalidRequest
from djl_trtllm.schemas import sizes
from tests.support.lmi_bodies import EVERYTHING, read

MIB = 2**20


def problems(data: bytes) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        read(data, features=EVERYTHING)
    return list(caught.value.problems)


def test_long_texts_are_fine() -> None:
    text = "a, b, " * MIB
    assert read(json.dumps({"inputs": text})).prompts[0].text == text
    assert read(json.dumps({"prompt": [1] * 600_000})).prompts[0].ids
    assert read(json.dumps({"messages": [{"role": "user", "content": "x" * 2 * MIB}]})).prompts[0].text


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (
            b'{"inputs":[' + b'"",' * 1_000_000 + b'""]}',
            "inputs has too many values; at most 1000000 are read.",
        ),
        (
            b'{"messages":[' + b"{}," * 1_000_000 + b"{}]}",
            "messages has too many values; at most 1000000 are read.",
        ),
        (
            b'{"prompt":[' + b"[]," * 1_000_000 + b"[]]}",
            "prompt has too many values; at most 1000000 are read.",
        ),
        (
            b'{"inputs":[' + b'"any text of some length at all, that is no prompt",' * 30_000 + b'"x"]}',
            "inputs has too many texts; at most 16384 are read.",
        ),
        (
            b'{"messages":[' + b'{"role":"user","content":"hi, there"},' * 40_000 + b'{"role":"user"}]}',
            "messages has too many messages; at most 16384 are read.",
        ),
        (
            b'{"inputs":"x","parameters":{"stop":"' + b"x" * MIB + b'"}}',
            f"parameters has {MIB + 11} bytes; at most 1048576 are read.",
        ),
        (
            b'{"prompt":"x","a b":"' + b"x" * MIB + b'"}',
            f"An unknown name has {MIB + 2} bytes; at most 1048576 are read.",
        ),
        (
            ("{" + ",".join(f'"name{i}":1' for i in range(100_000)) + "}").encode(),
            "The body has 100000 names; at most 1024 are read.",
        ),
    ],
)
def test_much_else_is_not(data: bytes, problem: str) -> None:
    assert problems(data) == [problem]


def test_lists_of_messages_have_an_end() -> None:
    message = b'{"role":"user","content":"x"},'
    (found,) = problems(b'{"messages":[' + message * 16_384 + message[:-1] + b"]}")
    assert found == "messages must be a list of at most 16384 messages; it is a list of 16385."


class Room:
    """Room for so many bytes or tokens; remembers what it was asked about."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.asked: list[tuple[str, int]] = []

    def refusal(self, name: str, *, text_bytes: int = 0, tokens: int = 0) -> InvalidRequest | None:
        self.asked.append((name, max(text_bytes, tokens)))
        return InvalidRequest(f"{name} is too long.") if max(text_bytes, tokens) > self.most else None


LONG = "a, b, " * 200_000


@pytest.mark.parametrize(
    ("data", "asked"),
    [
        ({"inputs": LONG}, ("The prompt", len(LONG))),
        ({"prompt": LONG}, ("The prompt", len(LONG))),
        ({"messages": [{"role": "user", "content": LONG}]}, ("The conversation", len(LONG) // 2 + 17)),
        ({"prompt": [17] * 400_000, "stop": [",", ",,"]}, ("The prompt", 400_000)),
    ],
)
def test_what_cannot_fit_is_refused_unread(data: dict[str, object], asked: tuple[str, int]) -> None:
    body, room = json.dumps(data, separators=(",", ":")).encode(), Room(asked[1] - 10)
    with pytest.raises(InvalidRequest, match=f"{asked[0]} is too long"):
        sizes.check(body, room)
    ((name, most),) = room.asked
    assert name == asked[0]
    assert asked[1] - 10 <= most <= asked[1]
    sizes.check(bytearray(body), Room(most))


@pytest.mark.parametrize("text", ["\n", "日", "a\tb", "\\u", '"', "😀", "\u007f"])
@pytest.mark.parametrize("escaped", [True, False])
def test_a_text_is_never_taken_for_longer_than_it_is(text: str, escaped: bool) -> None:
    whole = text * 300_000
    body, room = json.dumps({"inputs": whole}, ensure_ascii=escaped).encode(), Room(0)
    with contextlib.suppress(InvalidRequest):
        sizes.check(body, room)
    assert all(most <= len(whole.encode()) for _, most in room.asked)


def test_what_is_to_be_truncated_is_read() -> None:
    for body in (
        {"inputs": LONG, "parameters": {"truncate": 5}},
        {"prompt": LONG, "truncate_prompt_tokens": 5},
    ):
        sizes.check(json.dumps(body).encode(), Room(0))
