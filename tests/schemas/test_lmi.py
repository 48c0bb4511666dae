from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from djl_trtllm.core import Features, Prompt, Request, SamplingParams
from djl_trtllm.errors import BodyTooLarge, InvalidRequest
from djl_trtllm.schemas import careful
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.schemas.parameters import Parameters
from djl_trtllm.schemas.rules import rules
from djl_trtllm.schemas.schemas import MAX_BODY_BYTES
from tests.support.lmi_bodies import EVERYTHING, FEATURES, body, read


def test_the_smallest_body() -> None:
    assert read('{"inputs": "Hi"}') == Request([Prompt("Hi")], SamplingParams(30, seed=11), "json")


def test_the_largest_body() -> None:
    whole = {
        "inputs": "Hi \u00e9\u4e2d\U0001f600",
        "parameters": {
            "max_new_tokens": 64,
            "stop": "a",
            "stop_sequences": ["b", "a"],
            "details": True,
            "return_full_text": True,
            "truncate": 100,
            "output_formatter": "json",
            "skip_special_tokens": False,
        },
        "stream": True,
    }
    request = read(json.dumps(whole))
    assert request.prompts[0].text == whole["inputs"]
    assert request == read(json.dumps(whole, ensure_ascii=False))
    assert (request.stops, request.truncate, request.output_format) == (("a", "b"), 100, "json")
    assert request.stream
    assert request.details
    assert request.return_full_text
    assert not request.skip_special_tokens


def test_formats() -> None:
    assert read('{"inputs": "x", "stream": true}').output_format == "jsonlines"
    assert read(body(stream=True)).output_format == "jsonlines"
    assert read(body(), defaults=Defaults(output_formatter="jsonlines")).output_format == "jsonlines"
    assert read(body(output_formatter="json", stream=True)).output_format == "json"


def test_the_outer_stream_wins() -> None:
    assert not read('{"inputs": "x", "parameters": {"stream": true}, "stream": false}').stream
    assert read('{"inputs": "x", "parameters": {"stream": true}, "stream": null}').stream


def test_null_is_not_set() -> None:
    nothing = dict.fromkeys(rules(Parameters))
    assert read(body(**nothing)) == read(body())
    assert read('{"inputs": "x", "parameters": null, "stream": null}') == read('{"inputs": "x"}')


def problems(data: bytes | str, features: Features = EVERYTHING, **how: Any) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        read(data, features=features, **how)
    return list(caught.value.problems)


def test_lists_of_prompts() -> None:
    request = read('{"inputs": ["a", "b"], "parameters": {"n": 2}}')
    assert (request.prompts, request.listed, request.n) == ([Prompt("a"), Prompt("b")], True, 2)
    assert read('{"inputs": ["a"]}').listed
    assert problems('{"inputs": []}') == ["inputs is an empty list: send at least one prompt."]
    assert problems('{"inputs": ["a", ""]}') == ["inputs[1] is empty: send at least one character."]
    many = json.dumps({"inputs": ["a"] * 33})
    assert problems(many) == [
        "The request asks for 33 sequences (33 prompts, 1 of each); the limit is 32 (set by max_rolling_batch_size): "
        "send fewer prompts at once or lower n."
    ]


def test_several_answers() -> None:
    request = read(body(n=2, best_of=5))
    assert (request.n, request.sequences, request.sampling.logprobs) == (2, 5, True)
    assert (read(body(n=3)).sequences, read(body(n=3)).sampling.logprobs) == (3, True)
    assert (read(body(best_of=3)).n, read(body(best_of=3)).sequences) == (1, 3)
    assert problems(body(n=3, best_of=2))[0].startswith("best_of=2 is less than n=3")
    for streaming in (
        {"stream": True},
        {"output_formatter": "sse"},
        {"output_formatter": "tgi", "stream": True},
    ):
        assert problems(body(best_of=2, **streaming))[0].startswith("best_of=2 cannot stream")
    assert read(body(best_of=2, stream=True, output_formatter="json")).sequences == 2
    assert problems(body(best_of=2), Features(logprobs=False)) == [
        "best_of is not supported: this engine gives no log-probabilities."
    ]


def test_alternatives() -> None:
    shown = read(body(top_n_tokens=3, details=True), features=EVERYTHING).sampling
    assert (shown.top_logprobs, shown.logprobs) == (3, True)
    assert read(body(top_n_tokens=3, stream=True), features=EVERYTHING).sampling.top_logprobs == 3
    unseen = read(body(top_n_tokens=3), features=EVERYTHING)
    assert unseen.sampling.top_logprobs == 0
    assert unseen.warnings == ("top_n_tokens has no effect without details=true or streaming.",)
    assert problems(body(top_n_tokens=21, details=True)) == [
        "top_n_tokens=21 is not supported by this engine: it gives at most 20."
    ]


def test_details_of_the_prompt() -> None:
    assert read(body(decoder_input_details=True, details=True), features=EVERYTHING).sampling.prompt_logprobs
    unseen = read(body(decoder_input_details=True), features=EVERYTHING)
    assert not unseen.sampling.prompt_logprobs
    assert unseen.warnings == ("decoder_input_details has no effect without details=true.",)
    assert problems(body(decoder_input_details=True, details=True), FEATURES) == [
        "decoder_input_details is not supported: this engine gives no log-probabilities of the prompt."
    ]
    assert problems(body(decoder_input_details=True, stream=True)) == [
        "decoder_input_details cannot stream; send stream=false."
    ]


def test_words_and_biases() -> None:
    request = read(body(bad_sequences=["a", "b", "a"], logit_bias={"7": 1, "3": -2.5}), features=EVERYTHING)
    assert (request.bad_sequences, request.sampling.logit_bias) == (("a", "b"), ((3, -2.5), (7, 1.0)))
    assert problems(body(bad_sequences="a", logit_bias={"3": 1}), FEATURES) == [
        "logit_bias is not supported: this engine cannot bias tokens.",
        "bad_sequences is not supported: this engine cannot keep texts from coming.",
    ]
    assert problems(body(logit_bias={"49152": 1})) == [
        "logit_bias has a token id of 49152 or more; the model has 49152 tokens."
    ]
    assert read(body(bad_sequences=[], logit_bias={})).warnings == ()


def test_text_is_one_answer() -> None:
    assert read(body(), accept="text/plain").output_format == "text"
    assert not read(body(stream=True, output_formatter="text")).sampling.logprobs
    for more in ({"details": True}, {"n": 2}):
        assert problems(body(**more), accept="text/plain") == [
            "The format text is one answer without anything else: leave out details, n and lists."
        ]
    assert problems('{"inputs": ["a"]}', accept="text/plain")


def test_tgi() -> None:
    tgi = Defaults(tgi_compat=True)
    assert (read(body(), defaults=tgi).output_format, read(body(), defaults=tgi).details) == ("tgi", True)
    assert not read(body(details=False), defaults=tgi).details
    assert read(body(), defaults=tgi).sampling.logprobs


def test_own_formats_of_the_operator_get_log_probabilities() -> None:
    own = Defaults(output_formatter="model:write")
    assert read(body(), defaults=own).sampling.logprobs
    assert problems(body(best_of=2), defaults=own)[0].startswith(
        "best_of is not supported: this server's own format"
    )


def test_stops_that_stay() -> None:
    assert read(body(stop="a", include_stop_str_in_output=True)).include_stop
    assert not read(body(stop="a")).include_stop


def test_a_body_may_be_a_bytearray() -> None:
    assert read(bytearray(body(nonsense=1))).warnings
    assert read(bytearray(b"abc"), "text/plain").prompts[0].text == "abc"


def test_twenty_mebibytes() -> None:
    room = MAX_BODY_BYTES - len('{"inputs":""}')
    assert len(read('{"inputs":"' + "x" * room + '"}').prompts[0].text) == room
    with pytest.raises(BodyTooLarge, match="20971521 bytes; the limit is 20 MiB"):
        read('{"inputs":"' + "x" * (room + 1) + '"}')


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=8,
)
PARAMETERS = st.dictionaries(
    st.sampled_from(sorted(rules(Parameters))) | st.text(max_size=12), JSON, max_size=6
)
OBJECTS = st.fixed_dictionaries(
    {},
    optional={
        "inputs": st.text(max_size=20) | JSON,
        "parameters": PARAMETERS | JSON,
        "stream": JSON,
        "x": JSON,
    },
)
# Python's json also writes NaN, Infinity and lone surrogates, as broken clients do.
TEXTS = (OBJECTS | JSON).map(lambda value: json.dumps(value).encode())


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(TEXTS))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data)))
        data[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(data)


ANY = given(
    st.binary(max_size=60) | TEXTS | damaged(),
    st.sampled_from(["", "application/json", "text/plain"]),
    st.sampled_from(["warn", "reject"]),
)


@settings(max_examples=500, deadline=None)
@ANY
@example(b"[" * 1_000_000, "", "warn")
@example(b'{"inputs":' * 200_000, "", "warn")
@example(b'{"inputs": "x", "parameters": ' + b'{"a":' * 200_000, "", "warn")
@example(b'{"inputs": "x", "parameters": {"stop": ' + b"[" * 900 + b"]" * 900 + b"}}", "", "warn")
@example(b'{"inputs": "x", "parameters": {"top_k": ' + b"9" * 10_000 + b"}}", "", "warn")
@example(b'{"inputs": "x", "parameters": {"seed": 1e999, "temperature": -1e999}}', "", "warn")
@example(b'{"inputs": "\\ud800"}', "", "warn")
@example(b'{"inputs": "\\ud800", "parameters": {"\\udc00": NaN}}', "", "warn")
@example(b'{"inputs": "\xed\xa0\x80", "\xff": 1}', "", "warn")
@example(b'{"inputs": "x", "parameters": {"\xff": 1}}', "", "warn")
def test_any_bytes_are_a_request_or_refused(data: bytes, content_type: str, unknown: str) -> None:
    request_or_refused(data, content_type, unknown)


@pytest.mark.long
@settings(max_examples=4_000, deadline=None)
@ANY
def test_very_many_bytes_are_a_request_or_refused(data: bytes, content_type: str, unknown: str) -> None:
    request_or_refused(data, content_type, unknown)


def request_or_refused(data: bytes, content_type: str, unknown: str) -> None:
    try:
        request = read(data, content_type, Defaults(unknown_parameters=unknown))
    except InvalidRequest as error:
        assert error.problems  # noqa: PT017
        assert len(error.wire_text()) <= 300  # noqa: PT017
    else:
        request.prompts[0].text.encode()
        assert request.prompts[0].text
        assert 1 <= request.sampling.max_new_tokens <= 512
        assert 0 <= request.sampling.min_new_tokens <= request.sampling.max_new_tokens
        assert 0 <= request.sampling.seed < 2**63
        assert all(request.stops)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_prompts_arrive_unchanged(prompt: str) -> None:
    assert read(json.dumps({"inputs": prompt})).prompts[0].text == prompt
    assert read(json.dumps({"inputs": prompt}, ensure_ascii=False)).prompts[0].text == prompt
    assert read(prompt, "text/plain").prompts[0].text == prompt


def test_a_good_body_is_read_in_one_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """That pass costs about 4 us over decoding the JSON; the careful one about ten times as much."""

    def never(_: bytes) -> dict[str, msgspec.Raw]:
        raise AssertionError("a good body was read twice")

    monkeypatch.setattr(careful, "read_object", never)
    good = {
        "max_new_tokens": 100,
        "do_sample": True,
        "temperature": 1,
        "details": None,
        "stop": ["a"],
        "seed": 2**70,
    }
    assert read(body(**good)).sampling.do_sample
    with pytest.raises(AssertionError, match="read twice"):
        read(body(**good, top_k=-1))
