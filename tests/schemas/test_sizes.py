from __future__ import annotations

import json

import pytest

from djl_trtllm.errors import InvalidRequest
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
