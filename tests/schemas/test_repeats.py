from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.errors import InvalidRequest
from djl_trtllm.schemas import repeats
from djl_trtllm.schemas.chat import Body, decode

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ['"', "\\", '\\"', '\\\\"', 'a "b', "messages"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=8,
)
BODIES = st.fixed_dictionaries(
    {"messages": st.just([]), "user": VALUES, "metadata": VALUES, "stop": TEXTS.filter(bool)}
)


@given(BODIES, st.booleans())
def test_what_json_writes_has_every_name_once(value: dict[str, object], ascii_only: bool) -> None:
    data = json.dumps(value, ensure_ascii=ascii_only, indent=None if ascii_only else 2).encode()
    assert repeats.find(data, decode(data)) == []


@given(BODIES, st.sampled_from(["user", "metadata", "stop", "messages"]))
def test_a_name_that_comes_again_is_found(value: dict[str, object], name: str) -> None:
    data = (json.dumps(value)[:-1] + f', "{name}": {json.dumps(value[name])}}}').encode()
    assert repeats.find(data, decode(data)) == [f"{name} comes twice in one object; send it once."]


def test_a_good_body_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: bytes) -> list[str]:
        raise AssertionError("a good body was read twice")

    monkeypatch.setattr(repeats, "search", never)
    message = {"role": "user", "content": 'say "hi" \\ \n\u00e9'}
    data = json.dumps(
        {"messages": [message] * 3, "stop": ['"'], "logit_bias": {"1": 2}, "metadata": {'"': [1, "a"]}}
    )
    assert repeats.find(data.encode(), decode(data.encode())) == []


def test_names_that_may_be_anything_are_not_repeated() -> None:
    name = "a secret"
    assert repeats.search(json.dumps([{name: 1}]).replace("1}", f'1, "{name}": 2}}').encode()) == [
        "A name of 8 characters comes twice in one object; send it once."
    ]


def test_the_first_few_are_enough() -> None:
    data = "[" + ",".join(f'{{"a{i}": 1, "a{i}": 2}}' for i in range(1000)) + "]"
    assert len(repeats.search(data.encode())) == 8


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b'{"a": "\xff"}', "The body is not UTF-8 (byte 7)."),
        (b'{"a": "\n"}', "The body is not valid JSON at line 1, column 8."),
        (b'{"a":' * 5000, repeats.TOO_DEEP),
    ],
)
def test_what_a_decoder_may_pass_over(data: bytes, problem: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        repeats.search(data)
    assert list(caught.value.problems) == [problem]


def test_levels() -> None:
    deep: object = 1
    for _ in range(repeats.MAX_DEPTH - 1):
        deep = [deep]
    data = json.dumps({"user": deep}).encode()
    assert repeats.find(data, decode(data)) == []
    with pytest.raises(InvalidRequest, match="at most 100 levels"):
        repeats.find(b"", Body(user=[deep]))
