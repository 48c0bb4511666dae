from __future__ import annotations

import json
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from djl_trtllm.core import Request
from djl_trtllm.errors import InvalidRequest
from djl_trtllm.schemas import usual
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.schemas.schemas import Schemas
from tests.schemas.test_fuzz import mutated
from tests.support.lmi_bodies import FEATURES, LIMITS

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
PARAMETERS: list[dict[str, object]] = [
    {"max_new_tokens": 20},
    {"max_new_tokens": 20, "do_sample": True, "seed": 3, "stop": ["\n", '"'], "details": True},
    {"max_new_tokens": 20, "temperature": 0.5, "unknown": 1},
    {"min_new_tokens": 9, "max_new_tokens": 1},
    {"parameters": "parameters", "inputs": '"inputs"'},
]


def schemas() -> Schemas:
    return Schemas(Defaults(), LIMITS, FEATURES, None, None)


def outcome(
    made: Schemas, body: bytes, accept: str = "*/*", seed: int | None = 7
) -> Request | tuple[str, ...]:
    try:
        return made.parse(body, "application/json", accept, seed)
    except InvalidRequest as error:
        return tuple(error.problems)


def body(prompt: str, parameters: dict[str, object], **more: object) -> bytes:
    return json.dumps({"inputs": prompt, "parameters": parameters, **more}).encode()


def known(made: Schemas) -> int:
    return len(made._usual._known)


@pytest.mark.parametrize("parameters", PARAMETERS[:3])
@pytest.mark.parametrize("prompt", ["Hi", 'say "hi"\n\\', "\u00e9\u4e2d\U0001f600", '"parameters"', "inputs"])
def test_another_prompt_takes_the_short_way(
    parameters: dict[str, object], prompt: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, fresh = schemas(), schemas()
    for first in ("first", "second"):
        outcome(made, body(first, parameters, stream=True))
    data = body(prompt, parameters, stream=True)
    expected = outcome(fresh, data)

    def never(*_: object) -> None:
        raise AssertionError("the long way was taken")

    monkeypatch.setattr(Schemas, "_read", never)
    assert outcome(made, data) == expected
    assert outcome(made, bytearray(data)) == expected


def test_seeds_are_the_requests_own() -> None:
    made = schemas()
    ours, theirs = {"max_new_tokens": 2}, {"max_new_tokens": 2, "seed": 3}
    seeds = [
        [outcome(made, body("a", given), seed=seed).sampling.seed for seed in (5, -1)]  # type: ignore[union-attr]
        for given in (ours, ours, theirs, theirs)
    ]
    assert known(made) == 2
    assert seeds == [[5, 2**63 - 1]] * 2 + [[3, 3]] * 2
    drawn = {outcome(made, body("a", ours), seed=None).sampling.seed for _ in range(3)}  # type: ignore[union-attr]
    assert len(drawn) == 3


def test_what_is_asked_for_in_other_ways_is_not_mixed_up() -> None:
    made = schemas()
    streamed, whole = body("a", {}, stream=True), body("a", {}, stream=False)
    for _ in range(3):
        formats = [
            outcome(made, data, accept).output_format  # type: ignore[union-attr]
            for data in (streamed, whole)
            for accept in ("*/*", "text/event-stream", "text/plain")
        ]
        assert formats == ["jsonlines", "sse", "text", "json", "json", "text"]


def test_changing_a_request_changes_no_later_one() -> None:
    made = schemas()
    for prompt in ("a", "b", "c"):
        request = outcome(made, body(prompt, {"max_new_tokens": 5}))
        assert isinstance(request, Request)
        assert (request.prompts[0].text, request.prompts[0].ids, request.warnings) == (prompt, (), ())
        request.prompts[0].ids = [1]
        request.warnings = ("lowered",)


@pytest.mark.parametrize(
    "data",
    [
        b'{"inputs": "a", "inputs": "b", "parameters": {"max_new_tokens": 20}}',
        b'{"inputs": "b", "parameters": {}, "parameters": {"max_new_tokens": 20}}',
        b'{"inputs": "b", "parameters": {"max_new_tokens": 20}, "inputs": "b"}',
        b'{"inputs": "a\nb", "parameters": {"max_new_tokens": 20}}',
        b'{"inputs": "a\xff", "parameters": {"max_new_tokens": 20}}',
        b'{"inputs": "a\\u0000", "parameters": {"max_new_tokens": 20}}',
        '{"inputs": "\u4e2d\\u0000", "parameters": {"max_new_tokens": 20}}'.encode(),
        b'{"inputs": "", "parameters": {"max_new_tokens": 20}}',
        b'{"inputs": ["b"], "parameters": {"max_new_tokens": 20}}',
        b'{"inputs": "b", "x": "c", "parameters": {"max_new_tokens": 20}}',
        b'{"inputs": "b\\", "parameters": {"max_new_tokens": 20}}',
        b'{"inputs": "b" "parameters": {"max_new_tokens": 20}}',
        b'"parameters"',
        b'{"parameters": {"max_new_tokens": 20}, "inputs": "b"}',
        b"",
    ],
)
def test_whatever_is_wrong_is_found_beside_what_is_known(data: bytes) -> None:
    made = schemas()
    for first in ("first", "second"):
        outcome(made, body(first, {"max_new_tokens": 20}))
    assert known(made) == 1
    assert outcome(made, data) == outcome(schemas(), data)
    assert outcome(made, data) == outcome(schemas(), data)


@given(
    TEXTS,
    st.sampled_from(['{"inputs": ', '{"inputs":', '{"inputs" :\n', ' {"inputs": ', '{"x": 1, "inputs": ']),
    st.sampled_from([', "parameters": ', ',"parameters":', ', "stream": true, "parameters": ']),
    st.sampled_from(PARAMETERS),
    st.booleans(),
)
@example('"', '{"inputs": ', ', "parameters": ', {}, False)
def test_known_or_not_makes_no_difference(
    text: str, head: str, tail: str, parameters: dict[str, object], ascii_only: bool
) -> None:
    made = schemas()

    def data(prompt: str) -> bytes:
        written = json.dumps(prompt, ensure_ascii=ascii_only)
        return (head + written + tail + json.dumps(parameters) + "}").encode()

    for first in ("first", "second"):
        outcome(made, data(first))
    assert outcome(made, data(text)) == outcome(schemas(), data(text))


def test_fuzzed_bodies_beside_what_is_known() -> None:
    made = schemas()
    for index in range(1_000):
        data = mutated(random.Random(index))
        found = [*(outcome(made, data) for _ in range(3)), outcome(schemas(), data)]
        for one in found:
            if isinstance(one, Request):
                one.openai = None  # has an id of its own every time
        assert all(one == found[-1] for one in found), data


def test_what_is_remembered_is_bounded() -> None:
    made = schemas()
    for seed in range(usual.MAX_KNOWN + 1):
        outcome(made, body("a", {"seed": seed}))
        outcome(made, body("b", {"seed": seed}))
    assert known(made) == 1
    for _ in range(3):
        outcome(made, body("a", {"stop": "x" * usual.MAX_AROUND}))
        outcome(made, body("a", {}), accept="x" * usual.MAX_AROUND)
    assert known(made) == 1
    for seed in range(2 * usual.MAX_KNOWN):
        outcome(made, body("a", {"seed": seed + 1000}))
    assert known(made) == 1
    assert len(made._usual._seen) <= usual.MAX_KNOWN
