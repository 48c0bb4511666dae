"""OpenAI's own client against the served demo model, through DJL's real Java engine."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import openai
import pytest

from tests.support.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.compile]

MODEL = "model"
QUESTION = [
    {"role": "system", "content": "You answer in one short sentence."},
    {"role": "user", "content": [{"type": "text", "text": "What is the capital of France?"}]},
]
PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer", "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"enum": ["Paris", "London"]}, "days": {"enum": [1, 2, 3]}},
            "required": ["city", "days"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture
def client(demo_server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{demo_server.url}/v1", api_key="none", max_retries=0, timeout=120) as made:
        yield made


def chat(client: openai.OpenAI, **more: object):
    return client.chat.completions.create(
        **{"model": MODEL, "messages": QUESTION, "temperature": 0, "max_tokens": 24, **more}
    )


def test_chat(client: openai.OpenAI) -> None:
    answer = chat(client)
    (choice,) = answer.choices
    assert answer.object == "chat.completion"
    assert answer.id.startswith("chatcmpl-")
    assert abs(answer.created - time.time()) < 60
    assert answer.model == MODEL
    assert choice.message.role == "assistant"
    assert "Paris" in choice.message.content
    assert choice.finish_reason == ("length" if answer.usage.completion_tokens == 24 else "stop")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_stream_says_the_same_and_counts(client: openai.OpenAI) -> None:
    whole = chat(client)
    chunks = list(chat(client, stream=True, stream_options={"include_usage": True}))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert len({chunk.id for chunk in chunks}) == 1
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    reasons = [c.finish_reason for chunk in chunks for c in chunk.choices if c.finish_reason]
    assert reasons == [whole.choices[0].finish_reason]
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_several_choices_are_seeded(client: openai.OpenAI) -> None:
    sampled = {"temperature": 1.5, "seed": 7, "n": 3, "max_tokens": 12}
    first = [choice.message.content for choice in chat(client, **sampled).choices]
    assert len(set(first)) > 1
    assert [choice.message.content for choice in chat(client, **sampled).choices] == first
    streamed: dict[int, str] = {}
    for chunk in chat(client, stream=True, **sampled):
        for choice in chunk.choices:
            streamed[choice.index] = streamed.get(choice.index, "") + (choice.delta.content or "")
    assert [streamed[index] for index in range(3)] == first


def test_stop_strings_are_not_part_of_the_answer(client: openai.OpenAI) -> None:
    answer = chat(client, stop=["Paris"])
    assert "Paris" not in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"


def test_log_probs(client: openai.OpenAI) -> None:
    answer = chat(client, logprobs=True, max_tokens=6)
    content = answer.choices[0].logprobs.content
    assert "".join(entry.token for entry in content).startswith(answer.choices[0].message.content)
    assert all(entry.logprob <= 0 for entry in content)
    assert b"".join(bytes(entry.bytes) for entry in content).decode().startswith("The")


def test_json_schema_is_enforced(client: openai.OpenAI) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    messages = [{"role": "user", "content": "Describe a person named Ada who is 36."}]
    answer = chat(client, messages=messages, response_format=schema, max_tokens=120)
    person = json.loads(answer.choices[0].message.content)
    assert set(person) == {"name", "age"}
    assert isinstance(person["age"], int)
    assert answer.choices[0].finish_reason == "stop"


def test_a_schema_that_is_none_is_the_clients_mistake(client: openai.OpenAI) -> None:
    schema = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "no such type"}}}
    with pytest.raises(openai.BadRequestError) as refused:
        chat(client, response_format=schema)
    assert "schema" in said(refused.value)
    assert "no such type" not in said(refused.value)
    assert "Paris" in chat(client).choices[0].message.content


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "choice",
    ["required", {"type": "function", "function": {"name": "get_weather"}}],
    ids=["required", "named"],
)
def test_tools(client: openai.OpenAI, stream: bool, choice: object) -> None:
    asked = {"tools": [WEATHER], "tool_choice": choice, "stream": stream, "max_tokens": 100}
    messages = [{"role": "user", "content": "How is the weather in Paris tomorrow?"}]
    answer = chat(client, messages=messages, **asked)
    if stream:
        choices = [c for chunk in answer for c in chunk.choices]
        calls = [call for c in choices for call in c.delta.tool_calls or []]
        reason = next(c.finish_reason for c in choices if c.finish_reason)
    else:
        calls, reason = answer.choices[0].message.tool_calls, answer.choices[0].finish_reason
    assert reason == "tool_calls"
    for call in calls:
        assert call.id.startswith("call_")
        assert call.function.name == "get_weather"
        assert set(json.loads(call.function.arguments)) == {"city", "days"}


def test_a_conversation_with_a_tool_s_answer(client: openai.OpenAI) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
    messages = [
        *QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "Sunny."},
    ]
    assert chat(client, messages=messages, max_tokens=4).usage.completion_tokens <= 4


def test_completions(client: openai.OpenAI) -> None:
    asked = {"model": MODEL, "temperature": 0, "max_tokens": 8}
    answer = client.completions.create(prompt="Once upon a time", **asked)
    assert answer.object == "text_completion"
    assert answer.id.startswith("cmpl-")
    chunks = list(client.completions.create(prompt="Once upon a time", stream=True, **asked))
    assert "".join(c.text for chunk in chunks for c in chunk.choices) == answer.choices[0].text
    several = client.completions.create(prompt=["Once upon a time", "The sea"], n=1, echo=True, **asked)
    assert [choice.index for choice in several.choices] == [0, 1]
    assert several.choices[0].text == "Once upon a time" + answer.choices[0].text
    assert several.choices[1].text.startswith("The sea")
    scored = client.completions.create(prompt="Once upon a time", logprobs=0, **asked)
    logprobs = scored.choices[0].logprobs
    assert "".join(logprobs.tokens) == scored.choices[0].text
    assert logprobs.text_offset[0] == 0
    ids = client.completions.create(prompt=[6403, 1980, 253, 655], **asked)
    assert ids.choices[0].text == answer.choices[0].text


def said(error: openai.APIStatusError) -> str:
    """The server's words: DJL's error bodies hold a text where OpenAI's have an object, so `str(error)` lacks it."""
    return str(error.body)


def test_mistakes_come_all_at_once_and_as_what_they_are(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        chat(client, temperature=7, top_p=3, extra_body={"max_tokens": -1})
    assert all(name in said(refused.value) for name in ("temperature=7", "top_p=3", "max_tokens=-1"))
    with pytest.raises(openai.BadRequestError) as refused:
        chat(client, messages=[{"role": "user", "content": "word " * 5000}])
    assert "the limit is 2048 (set by option max_input_len)" in said(refused.value)
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    with pytest.raises(openai.BadRequestError) as refused:
        chat(client, messages=[{"role": "user", "content": [image]}])
    assert "image" in said(refused.value)


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [MODEL]
