from __future__ import annotations

import json

import pytest

from djl_trtllm.errors import InvalidRequest
from djl_trtllm.schemas.defaults import Defaults
from tests.support.lmi_bodies import EVERYTHING, body, chat, completion, read


def problems(data: bytes | str, content_type: str = "application/json") -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        read(data, content_type, features=EVERYTHING)
    return list(caught.value.problems)


def test_the_body_says_which_schema_it_is() -> None:
    assert read(body()).output_format == "json"
    assert read(chat()).output_format == "json_chat"
    assert read(completion()).output_format == "completions"
    long = " " * 300
    assert (
        read('{"model": "m",' + long + '"messages": [{"role": "user", "content": "x"}]}').output_format
        == "json_chat"
    )
    assert read('{"model": "m",' + long + '"prompt": "x"}').output_format == "completions"
    assert read("{" + long + '"inputs": "x"}').output_format == "json"


@pytest.mark.parametrize("text", ["messages", "prompt", "inputs", 'say "messages', 'say "prompt'])
def test_names_of_schemas_in_texts_do_not_matter(text: str) -> None:
    schema = {"properties": {"messages": {}, "prompt": {}, "inputs": {}}}
    assert read(body(guided_json=schema, stop=text), features=EVERYTHING).output_format == "json"
    assert read(json.dumps({"inputs": text})).prompts[0].text == text
    assert read(json.dumps({"parameters": {"stop": text}, "inputs": text})).prompts[0].text == text
    assert read(json.dumps({"stop": text, "prompt": text, "guided_json": schema}), features=EVERYTHING).openai
    assert read(json.dumps({"user": text, "messages": [{"role": "user", "content": text}]})).openai


@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "application/json; charset=utf-8", "text/html", "application/jsonlines"],
)
def test_what_is_plainly_json_is_json(content_type: str) -> None:
    assert read('{"inputs": "x"}', content_type).prompts[0].text == "x"
    assert read('\n {"inputs": "x", "unknown": 1}', content_type).prompts[0].text == "x"


def test_what_is_not_json_and_does_not_say_so() -> None:
    refused = "The content type application/x-www-form-urlencoded is not taken: send application/json or text/plain."
    assert problems("inputs=x", "application/x-www-form-urlencoded") == [refused]
    assert problems("inputs=x", "multi <part>") == [
        "The content type is not taken: send application/json or text/plain."
    ]
    assert "valid JSON" in problems("inputs=x", "application/json")[0]
    assert "valid JSON" in problems("inputs=x", "")[0]


def test_plain_text_is_the_prompt() -> None:
    assert read('{"inputs": "\u00e9"}', "Text/Plain; charset=utf-8").prompts[0].text == '{"inputs": "\u00e9"}'
    assert "empty" in problems("", "text/plain")[0]
    assert problems(b"ab\xff", "text/plain") == ["The body is not UTF-8 (byte 2)."]
    assert "null character" in problems("a\0b", "text/plain")[0]


@pytest.mark.parametrize(
    ("data", "names"),
    [
        ('{"inputs": "a", "inputs": "b"}', ["inputs"]),
        ('{"inputs": "a", "\\u0069nputs": "b"}', ["inputs"]),
        ('{"inputs": "a\\"", "parameters": {"seed": 1, "seed": 2}}', ["seed"]),
        (
            '{"inputs": "a\\u0022", "parameters": {"top_k": null, "top_k": null, "seed": 1, "seed": 1}}',
            ["top_k", "seed"],
        ),
        ('{"inputs": "a", "parameters": {}, "parameters": {"unknown": 1}}', ["parameters"]),
        ('{"messages": [{"role": "user", "content": "a", "content": "b"}]}', ["content"]),
        ('{"messages": [{"role": "user", "content": "a", "x": 1, "x": 2}]}', ["x"]),
        ('{"prompt": "a", "logit_bias": {"1": 1, "1": 2}}', ["1"]),
        ('{"prompt": "a", "a b": 1, "a b": 2}', []),
    ],
)
def test_names_that_come_twice(data: str, names: list[str]) -> None:
    said = [f"{name} comes twice in one object; send it once." for name in names]
    assert problems(data) == (said or ["A name of 3 characters comes twice in one object; send it once."])


@pytest.mark.parametrize(
    "data",
    [
        json.dumps({"inputs": 'a "quoted" \\ text \\" \t\u00e9', "parameters": {"stop": ['"', "\\"]}}),
        '{"inputs": "a\\u0022b\\u0022"}',
        '{"inputs": "a", "parameters": {"top_k": null, "seed": null}, "stream": null}',
        '{"inputs": "inputs", "parameters": {"stop": ["inputs", "stop"], "logit_bias": {"1": 2}}}',
        '{"messages": [{"role": "user", "content": "a", "annotations": [], "refusal": null}]}',
    ],
)
def test_names_that_come_once(data: str) -> None:
    assert read(data, features=EVERYTHING)


@pytest.mark.parametrize("depth", [98, 200, 900, 5000])
def test_depth(depth: int) -> None:
    deep = '{"a":' * depth + "1" + "}" * depth
    for data in (
        f'{{"inputs": "x", "parameters": {{"guided_json": {deep}}}}}',
        f'{{"messages": [{{"role": "user", "content": "x"}}], "chat_template_kwargs": {{"x": {deep}}}}}',
        f'{{"prompt": "x", "unknown": {deep}}}',
    ):
        if depth > (1000 if "unknown" in data else 100):
            assert "The body is nested too deeply: at most 100 levels are read." in problems(data)
    tool = f'{{"type": "function", "function": {{"name": "f", "parameters": {deep}}}}}'
    if depth > 100:
        said = problems(
            f'{{"messages": [{{"role": "user", "content": "x"}}], "tools": [{tool}], "tool_choice": "required"}}'
        )
        assert said[-1].startswith("The body is nested too deeply")


def test_an_option_makes_unknown_names_a_mistake_in_every_schema() -> None:
    strict = Defaults(unknown_parameters="reject")
    for data in (body(temprature=1), chat(temprature=1), completion(temprature=1)):
        assert read(data).warnings == ("temprature is not a parameter; did you mean temperature?",)
        with pytest.raises(InvalidRequest, match="did you mean temperature"):
            read(data, defaults=strict)


def test_null_characters_are_refused_where_they_are() -> None:
    assert problems(json.dumps({"inputs": "a\0", "parameters": {"stop": ["\0"]}})) == [
        "inputs holds a null character (U+0000), which no model can take; leave it out.",
        "stop holds a null character (U+0000), which no model can take; leave it out.",
    ]
    assert "inputs[1] holds a null" in problems(json.dumps({"inputs": ["a", "\0"]}))[0]
    assert "prompt[0] holds a null" in problems(json.dumps({"prompt": ["\0"]}))[0]
    assert (
        "messages[0] holds a null"
        in problems(json.dumps({"messages": [{"role": "user", "content": "\0"}]}))[0]
    )
    assert "template makes of this holds a null" in problems(chat(chat_template_kwargs={"mood": "\0"}))[0]
    assert "not valid JSON" in problems(b'{"inputs": "a\0"}')[0]
