from __future__ import annotations

import json
from typing import Any

import pytest

from djl_trtllm.errors import InvalidRequest
from djl_trtllm.schemas.messages import Message, Part, for_template
from tests.support.lmi_bodies import chat, read


def given(*messages: Message) -> list[dict[str, Any]]:
    problems: list[str] = []
    made = for_template(messages, problems)
    assert problems == []
    return made


def refused(*messages: object) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        read(chat(messages=list(messages)))
    return list(caught.value.problems)


def test_what_templates_are_given() -> None:
    assert given(
        Message("developer", "a"),
        Message("user", [Part("text", "b"), Part("text", "c")], name="Ann"),
        Message("assistant", "d", reasoning_content="e"),
        Message("tool", "f", tool_call_id="1"),
    ) == [
        {"role": "system", "content": "a"},
        {"role": "user", "content": "b\nc", "name": "Ann"},
        {"role": "assistant", "content": "d", "reasoning_content": "e"},
        {"role": "tool", "content": "f", "tool_call_id": "1"},
    ]


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ('{"a": 1}', {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ("", {}),
        ("not JSON", "not JSON"),
        (None, {}),
        ("[" * 5000, "[" * 5000),
    ],
)
def test_tool_calls(arguments: object, shown: object) -> None:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    data = chat(messages=[{"role": "assistant", "content": None, "tool_calls": [call]}])
    assert f"[call f {json.dumps(shown)}]" in read(data).prompts[0].text


def test_what_a_message_holds_beyond_is_left_alone() -> None:
    extra = {"role": "assistant", "content": "x", "refusal": None, "annotations": [{"a": 1}], "audio": None}
    assert read(chat(messages=[extra])).warnings == ()


@pytest.mark.parametrize(
    ("message", "problem"),
    [
        (
            {"content": "x"},
            "messages[0].role is missing: it is a text: system, developer, user, assistant or tool.",
        ),
        (
            {"role": "robot", "content": "x"},
            "messages[0].role must be a text: system, developer, user, assistant or tool.",
        ),
        ({"role": "user"}, "messages[0].content is missing: send a text."),
        ({"role": "user", "content": None}, "messages[0].content is missing: send a text."),
        ({"role": "user", "content": 5}, "messages[0].content=5 must be a text or a list of parts."),
        ({"role": "user", "content": ["x"]}, "messages[0].content[0] must be an object, not a text."),
        ("x", "messages[0] must be an object, not a text."),
        ({"role": "assistant", "tool_calls": [{}]}, "messages[0].tool_calls[0].function.name is missing."),
        ({"role": "assistant", "tool_calls": 5}, "messages[0].tool_calls=5 must be a list of tool calls."),
        (
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": 5}}]},
            "messages[0].tool_calls[0].function.arguments=5 must be a text or an object.",
        ),
        *(
            (
                {"role": "user", "content": [{"type": kind, kind: {}}]},
                f"messages[0].content[0] is {what}: this server",
            )
            for kind, what in [
                ("image_url", "an image"),
                ("input_audio", "audio"),
                ("file", "a file"),
                ("x", "no text"),
            ]
        ),
        (
            {"role": "user", "content": [{"text": "x"}]},
            "messages[0].content[0] must be an object of type text with a text.",
        ),
    ],
)
def test_mistakes(message: object, problem: str) -> None:
    found = refused(message)
    assert found[0].startswith(problem), found


def test_no_messages() -> None:
    assert refused() == ["messages is empty: send at least one message."]
    with pytest.raises(InvalidRequest, match="messages is missing: send a list"):
        read('{"messages": null}')
    with pytest.raises(InvalidRequest, match="messages must be a list of at most 16384 messages, not a text"):
        read('{"messages": "x"}')


@pytest.mark.parametrize(
    "data",
    [
        chat(messages=[{}] * 10_000),
        chat(messages=[5] * 10_000),
        chat(messages=[{"role": "user", "content": [{"type": "image"}] * 10_000}]),
        chat(tools=[{}] * 10_000),
    ],
)
def test_the_first_few_mistakes_are_enough(data: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(data)
    assert len(caught.value.problems) < 80


def test_what_is_wrong_with_one_message_does_not_hide_another() -> None:
    found = refused({}, *[{"role": "user", "content": "x"}] * 9, {"role": 5, "content": "x"})
    assert [problem.split(" ")[0] for problem in found] == ["messages[10].role=5", "messages[0].role"]
