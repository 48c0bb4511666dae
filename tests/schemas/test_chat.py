from __future__ import annotations

import json
import time

import pytest

from djl_trtllm.core import Features, GuideKind, OpenAI, Prompt, Request, SamplingParams, ToolChoice
from djl_trtllm.errors import InvalidRequest
from djl_trtllm.schemas.defaults import Defaults
from tests.support.lmi_bodies import EVERYTHING, chat, read

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


def problems(features: Features = EVERYTHING, **fields: object) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        read(chat(**fields), features=features)
    return list(caught.value.problems)


def test_the_smallest_chat() -> None:
    request = read(chat())
    openai = request.openai
    assert openai is not None
    assert request == Request(
        [Prompt("<user>Hello</user>\n<assistant>", special=False)],
        SamplingParams(512, do_sample=True, seed=11),
        "json_chat",
        openai=OpenAI(openai.id, openai.created, "model"),
    )
    assert openai.id.startswith("chatcmpl-")
    assert len(openai.id) == len("chatcmpl-") + 32
    assert abs(openai.created - time.time()) < 10
    assert read(chat()).openai != openai


def test_everything_at_once() -> None:
    request = read(
        chat(
            model="m", frequency_penalty=1, presence_penalty=-1, logit_bias={"5": 2, "1": -100}, logprobs=True,
            top_logprobs=3, max_completion_tokens=7, n=2, stop=["a", "b"], stream=True, temperature=0.5, top_p=0.9,
            stream_options={"include_usage": True}, seed=3, user="u", metadata={"a": "b"}, store=True, top_k=-1,
            service_tier="auto", parallel_tool_calls=True, min_p=0.1, repetition_penalty=1.1, min_tokens=2,
            ignore_eos=True, include_stop_str_in_output=True, bad_words=["x"], truncate_prompt_tokens=9,
            skip_special_tokens=False, add_special_tokens=True, reasoning_effort="low",
        ),
        features=EVERYTHING,
    )  # fmt: skip
    assert request.sampling == SamplingParams(
        7, 2, do_sample=True, temperature=0.5, top_p=0.9, min_p=0.1, repetition_penalty=1.1, presence_penalty=-1.0,
        frequency_penalty=1.0, seed=3, ignore_eos=True, logprobs=True, top_logprobs=3,
        logit_bias=((1, -100.0), (5, 2.0)),
    )  # fmt: skip
    openai = request.openai
    assert openai is not None
    assert (openai.model, openai.include_usage, openai.logprobs, openai.top_logprobs) == ("m", True, True, 3)
    assert (request.n, request.sequences, request.stops, request.include_stop) == (2, 2, ("a", "b"), True)
    assert (request.bad_sequences, request.truncate, request.skip_special_tokens) == (("x",), 9, False)
    assert (request.output_format, request.stream, request.length_asked) == ("sse_chat", True, True)
    assert request.prompts[0].special
    assert request.warnings == ()


def test_greedy() -> None:
    assert read(chat(temperature=0, top_p=0.5)).sampling == SamplingParams(512, seed=11)
    assert read(chat(top_p=0)).sampling == SamplingParams(512, seed=11)


def test_lengths() -> None:
    assert not read(chat()).length_asked
    assert read(chat(), defaults=Defaults(openai_max_new_tokens=9)).sampling.max_new_tokens == 9
    long = read(chat(max_tokens=10**9))
    assert (long.sampling.max_new_tokens, long.length_asked) == (512, True)
    assert long.warnings == ("max_tokens=1000000000 was lowered to 512 (set by max_output_len).",)
    assert read(chat(max_tokens=4, max_completion_tokens=4)).sampling.max_new_tokens == 4
    assert problems(max_tokens=4, max_completion_tokens=5) == [
        "max_tokens=4 and max_completion_tokens=5 contradict each other; send one of them."
    ]
    assert problems(max_tokens=2**31) == [
        "max_tokens=2147483648 must be a whole number from 1 to 2147483647."
    ]
    assert problems(min_tokens=5, max_tokens=4) == ["min_tokens=5 is more than max_tokens=4."]


def test_log_probabilities() -> None:
    assert not read(chat()).sampling.logprobs
    plain = read(chat(logprobs=True))
    assert (plain.sampling.logprobs, plain.sampling.top_logprobs) == (True, 0)
    assert problems(Features(), logprobs=True, top_logprobs=2) == [
        "top_logprobs=2 is not supported by this engine: it gives no alternatives of a token."
    ]
    assert problems(Features(top_logprobs=5), logprobs=True, top_logprobs=6) == [
        "top_logprobs=6 is not supported by this engine: it gives at most 5."
    ]
    assert problems(top_logprobs=2) == ["top_logprobs needs logprobs=true."]
    assert problems(Features(logprobs=False), logprobs=True) == [
        "logprobs is not supported: this engine gives no log-probabilities."
    ]


def test_streaming_formats() -> None:
    lines = Defaults(output_formatter="jsonlines_chat")
    assert read(chat(stream=True), defaults=lines).output_format == "jsonlines_chat"
    assert read(chat(), defaults=lines).output_format == "json_chat"
    assert read(chat(stream=True), accept="application/jsonlines").output_format == "jsonlines_chat"
    assert read(chat(output_formatter="jsonlines_chat", stream=True)).output_format == "jsonlines_chat"
    assert problems(output_formatter="json") == [
        "output_formatter must be one of json_chat, jsonlines_chat, sse_chat for a body with messages."
    ]


def test_tools() -> None:
    offered = read(chat(tools=[TOOL]))
    assert offered.openai is not None
    assert offered.openai.tools is ToolChoice.AUTO
    assert offered.prompts[0].text.startswith('[tools [{"type": "function"')
    assert not offered.skip_special_tokens
    assert offered.guide is None
    hidden = read(chat(tools=[TOOL], tool_choice="none"))
    assert hidden.openai is not None
    assert hidden.openai.tools is ToolChoice.NONE
    assert hidden.prompts == read(chat()).prompts
    named = read(
        chat(tools=[TOOL], tool_choice={"type": "function", "function": {"name": "f"}}), features=EVERYTHING
    )
    assert named.openai is not None
    assert (named.openai.tools, named.openai.tool) == (ToolChoice.NAMED, "f")
    assert named.guide is not None
    assert json.loads(named.guide.text) == {"type": "object"}
    required = read(
        chat(tools=[TOOL], tool_choice="required", parallel_tool_calls=False), features=EVERYTHING
    )
    assert required.openai is not None
    assert required.openai.tools is ToolChoice.REQUIRED
    assert required.guide is not None
    assert (required.guide.kind, json.loads(required.guide.text)["maxItems"]) == (GuideKind.JSON, 1)


def test_tools_need_guides_only_where_they_bind() -> None:
    assert read(chat(tools=[TOOL], tool_choice="auto"))
    assert problems(Features(), tools=[TOOL], tool_choice="required") == [
        "tool_choice=required is not supported: this engine cannot bind an answer to a JSON schema."
    ]
    assert problems(tools=[TOOL], tool_choice="required", response_format={"type": "json_object"}) == [
        "response_format and tool_choice=required exclude each other: an answer has one guide."
    ]


def test_all_mistakes_at_once() -> None:
    found = problems(
        Features(), messages=[{"role": "x", "content": "a"}, {"role": "user"}, 5], temperature=3, n=200, functions=[1],
        stop=[""], tools=[{"type": "function"}], top_logprobs=1, response_format={"type": "xml"}, logit_bias={"1": 1},
        bad_words="x", min_p=2, stream_options={"include_usage": 1}, audio=None, chat_template="x",
    )  # fmt: skip
    parts = [
        "functions is not supported", "chat_template is not supported", "messages[0].role must be a text: system",
        "messages[1].content is missing", "messages[2] must be an object, not a number", "temperature=3", "n=200",
        "stop must be", "tools[0].function is missing", "top_logprobs needs", "response_format.type must be",
        "logit_bias is not supported", "bad_words is not supported", "min_p=2", "stream_options.include_usage=1",
    ]  # fmt: skip
    for part in parts:
        assert sum(part in problem for problem in found) == 1, (part, found)
    assert len(found) == len(parts)


def test_no_template_no_chat() -> None:
    with pytest.raises(InvalidRequest, match="has no chat template"):
        read(chat(), template=None)


def test_beams_do_not_stream() -> None:
    beams = Features(beam_width=2)
    assert read(chat(temperature=0), features=beams).sampling.num_beams == 2
    assert problems(beams, temperature=0, stream=True) == [
        "The 2 beams of this engine cannot stream; send stream=false."
    ]
    assert problems(beams)[0].startswith("Drawing at random does not go with the 2 beams")
