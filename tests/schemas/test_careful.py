from __future__ import annotations

import json
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.errors import InvalidRequest
from djl_trtllm.schemas import careful
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.schemas.parameters import Parameters
from djl_trtllm.schemas.rules import rules
from tests.support.lmi_bodies import body, read


def problems(data: bytes | str, **how: Any) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        read(data, **how)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("", "The body is empty; send JSON such as"),
        (" \n", "The body is empty"),
        ("[1]", "The body must be a JSON object such as"),
        ('"x"', "The body must be a JSON object"),
        (
            '{"inputs": "x",\n  "parameters": {"top_k": NaN}}',
            "not valid JSON at line 2, column 27 (byte 42).",
        ),
        ('{"inputs": "x", "parameters": {"seed": -Infinity}}', "not valid JSON at line 1"),
        ('{"inputs": "x"} {}', "not valid JSON at line 1, column 1"),
        ('{"inputs": "x', "not complete JSON"),
        ('{"inputs": "\\ud800 "}', "half a surrogate pair."),
        (b'{"inputs": "\xff"}', "The body is not UTF-8 (byte 12)."),
        (b'{"\xff": "x"}', "The body is not UTF-8 (byte 2)."),
        (b'{"inputs": "x", "parameters": {"\xff": 1}}', "The body is not UTF-8 (byte 32)."),
        (
            '{"inputs": "x", "a": ' + "[" * 5000 + "]" * 5000 + "}",
            "The body is nested too deeply: at most 100 levels are read.",
        ),
        ("{}", "inputs is missing: send the prompt as a text."),
        ('{"inputs": null}', "inputs is missing"),
        ('{"messages": []}', "messages is empty: send at least one message."),
        ('{"inputs": ["a", 2]}', "inputs must be a text or a list of texts."),
        ('{"inputs": {"a": 1}}', "inputs must be a text or a list of texts, not an object."),
        ('{"inputs": 5}', "inputs=5 must be a text or a list of texts."),
        ('{"inputs": ""}', "inputs is empty"),
        ('{"inputs": "x", "parameters": []}', "parameters must be an object, not a list."),
        ('{"inputs": "x", "parameters": "y"}', "parameters must be an object, not a text."),
        ('{"inputs": "x", "stream": 1}', "stream=1 must be true or false."),
        ('{"inputs": "x", "stream": "yes"}', "stream must be true or false, not a text."),
    ],
)
def test_bad_bodies(data: bytes | str, problem: str) -> None:
    (found,) = problems(data)[:1]
    assert problem in found


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("max_new_tokens", 0, "max_new_tokens=0 must be a whole number from 1 to 2147483647."),
        ("max_new_tokens", 2**31, "max_new_tokens=2147483648 must be"),
        ("max_new_tokens", 10**25, "max_new_tokens=10000000000000000000000000 must be"),
        ("max_new_tokens", 2.5, "max_new_tokens=2.5 must be a whole number"),
        ("max_new_tokens", "3", "max_new_tokens must be a whole number from 1 to 2147483647, not a text."),
        ("max_new_tokens", True, "max_new_tokens=true must be a whole number"),
        ("min_new_tokens", -1, "min_new_tokens=-1 must be"),
        ("temperature", -0.1, "temperature=-0.1 must be a number from 0 to 100."),
        ("temperature", [1], "temperature must be a number from 0 to 100, not a list."),
        ("top_k", -1, "top_k=-1 must be a whole number from 0 (no filter) to 2147483647."),
        ("top_p", 1.01, "top_p=1.01 must be a number from 0 to 1."),
        ("min_p", 1, "min_p=1 must be a number from 0 to below 1."),
        ("repetition_penalty", 0, "repetition_penalty=0 must be a number from 0.01 to 100."),
        ("presence_penalty", 2.1, "presence_penalty=2.1 must be a number from -2 to 2."),
        ("frequency_penalty", -2.1, "frequency_penalty=-2.1 must be a number from -2 to 2."),
        ("do_sample", 1, "do_sample=1 must be true or false."),
        ("do_sample", "true", "do_sample must be true or false, not a text."),
        ("seed", 1.5, "seed=1.5 must be a whole number."),
        ("seed", "x", "seed must be a whole number, not a text."),
        ("stop", "", "each of 1 to 1024 characters; it is a text of 0 characters."),
        ("stop", ["a"] * 10_000, "at most 64 texts, each of 1 to 1024 characters; it is a list of 10000."),
        ("stop", "x" * 1025, "each of 1 to 1024 characters; it is a text of 1025 characters."),
        ("stop", True, "stop=true must be a text or a list"),
        ("stop_sequences", {"a": 1}, "characters, not an object."),
        ("truncate", 0, "truncate=0 must be"),
        ("num_beams", 0, "num_beams=0 must be"),
        ("output_formatter", 3, "output_formatter=3 must be the name of a response format."),
        ("typical_p", 0.9, "typical_p is not supported: this server has no typical sampling."),
        ("logit_bias", {"x": 1}, "logit_bias must be an object of token ids and numbers from -100 to 100."),
        ("logit_bias", {"1": 101}, "logit_bias must be an object of token ids and numbers from -100 to 100."),
    ],
)
def test_bad_parameters(name: str, value: object, problem: str) -> None:
    (found,) = problems(body(**{name: value}))
    assert problem in found


OUT_OF_RANGE = {
    "max_new_tokens": st.integers(max_value=0) | st.integers(2**31),
    "temperature": st.floats(max_value=0, exclude_max=True) | st.floats(100, exclude_min=True),
    "top_k": st.integers(max_value=-1),
    "top_p": st.floats(1, exclude_min=True) | st.floats(max_value=0, exclude_max=True),
    "min_p": st.floats(1) | st.floats(max_value=0, exclude_max=True),
    "repetition_penalty": st.floats(max_value=0.01, exclude_max=True) | st.floats(100, exclude_min=True),
    "presence_penalty": st.floats(2, exclude_min=True) | st.floats(max_value=-2, exclude_max=True),
    "frequency_penalty": st.floats(2, exclude_min=True) | st.floats(max_value=-2, exclude_max=True),
    "truncate": st.integers(max_value=0),
    "do_sample": st.integers() | st.text(),
    "seed": st.floats(0.1, 0.9) | st.text(),
    "stop": st.integers() | st.just("") | st.just([""]),
}


@given(st.fixed_dictionaries({}, optional=OUT_OF_RANGE).filter(bool))
def test_every_bad_parameter_is_listed_and_no_other(parameters: dict[str, object]) -> None:
    finite = {
        name: (1e300 if value > 0 else -1e300)
        if isinstance(value, float) and not math.isfinite(value)
        else value
        for name, value in parameters.items()
    }
    found = problems(body(**finite, details=True, return_full_text=False))
    assert sorted(problem.split("=")[0].split(" ")[0] for problem in found) == sorted(finite)


def test_problems_of_every_part_at_once() -> None:
    data = {
        "inputs": ["a", 1],
        "parameters": {"top_p": 3, "num_beams": 2, "min_length": 40, "guided_regex": "a"},
        "stream": "no",
    }
    found = problems(json.dumps(data))
    for part in (
        "inputs must be",
        "top_p=3",
        "num_beams=2",
        "min_length=40",
        "guided_regex",
        "stream must be",
    ):
        assert sum(part in problem for problem in found) == 1, part


def test_whole_numbers_written_with_a_point() -> None:
    request = read('{"inputs": "x", "parameters": {"max_new_tokens": 20.0, "seed": 1e3, "top_k": -0.0}}')
    assert request.sampling.max_new_tokens == 20
    assert request.sampling.seed == 1000


def test_a_byte_order_mark_is_no_mistake() -> None:
    assert read(b"\xef\xbb\xbf" + body(max_new_tokens=3)).sampling.max_new_tokens == 3


def test_unknown_names_are_warned_of() -> None:
    data = '{"inputs": "x", "max_new_tokens": 5, "imputs": 1, "parameters": {"temprature": 1, "foo": 2, "a b": 3}}'
    warnings = (
        "max_new_tokens belongs inside parameters; here it has no effect.",
        "imputs is not a parameter; did you mean inputs?",
        "temprature is not a parameter; did you mean temperature?",
        "foo is not a parameter; it has no effect.",
        "A name of 3 characters is not a parameter; it has no effect.",
    )
    assert read(data).warnings == warnings
    assert tuple(problems(data, defaults=Defaults(unknown_parameters="reject"))) == warnings


def test_many_unknown_names_cost_little() -> None:
    data = json.dumps({"inputs": "x", "parameters": {f"p{i}": i for i in range(60_000)}}).encode()
    started = time.perf_counter()
    request = read(data)
    assert time.perf_counter() - started < 5
    assert len(request.warnings) == 9
    assert request.warnings[-1] == "59992 more names are not known."


SECRET = "correct horse battery staple"


@pytest.mark.parametrize("name", rules(Parameters))
@pytest.mark.parametrize("value", [SECRET, [SECRET], {SECRET: SECRET}, [[SECRET]], SECRET * 100])
def test_errors_never_hold_what_the_client_wrote(name: str, value: object) -> None:
    for data in (
        json.dumps({"inputs": SECRET, "parameters": {name: value, "top_p": 7}, SECRET: 1}),
        json.dumps({"inputs": [SECRET, 1], "parameters": {name: value}}),
        json.dumps({"inputs": SECRET, "parameters": {name: value}})[:-2],
    ):
        for unknown in ("warn", "reject"):
            assert not any(
                SECRET in problem for problem in problems(data, defaults=Defaults(unknown_parameters=unknown))
            )


@pytest.mark.parametrize("at", [0, 1, 65_533, 65_534, 65_535, 65_536, 200_000])
def test_bytes_that_are_no_utf_8_are_found_wherever_they_are(at: int) -> None:
    body = b'{"inputs":"' + "😀".encode() * 60_000
    broken = body[:11] + b"x" * at + b"\xff" + body[11:] + b'"}'
    with pytest.raises(InvalidRequest, match=rf"The body is not UTF-8 \(byte {11 + at}\)"):
        careful.read_object(broken)
    careful.read_object(body[:11] + b"x" * at + body[11:] + b'"}')


def test_a_character_that_the_body_ends_in_is_not_utf_8() -> None:
    with pytest.raises(InvalidRequest, match=r"The body is not UTF-8 \(byte 65536\)"):
        careful.read_object(b" " * 65_536 + "😀".encode()[:3])
