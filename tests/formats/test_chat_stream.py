from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.core import FinishReason, OpenAI, ToolChoice
from djl_trtllm.errors import EngineRestarting
from djl_trtllm.formats.base import Piece
from tests.formats.helpers import ending, failed, request, response, whole
from tests.formats.streams import ending_of, events, gathered, lines, streamed, tokens_of, words
from tests.formats.test_tool_calls import CALLS, PROSE

HEAD = '{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"m","choices":['


def openai(**changes: object) -> OpenAI:
    return OpenAI("chatcmpl-1", 1700000000, "m", **changes)  # type: ignore[arg-type]


def chunk(delta: str, finish: str = "null", logprobs: str = "null", more: str = "") -> str:
    choice = f'{{"index":0,"delta":{delta},"logprobs":{logprobs},"finish_reason":{finish}}}'
    return f"data: {HEAD}{choice}]{more}}}\n\n"


ROLE = '{"role":"assistant","content":""}'


def test_golden_bytes() -> None:
    output = response("sse_chat", openai=openai())
    assert not output.keeps_tokens
    writer = output.writer(0)
    assert writer.write(Piece([5], ["a"], None)) == chunk(ROLE) + chunk('{"content":"a"}')
    assert writer.line(7, "é\u2028", None) == chunk('{"content":"é\\u2028"}')
    assert writer.line(2, "", None) == ""
    assert writer.write(Piece([5, 6], ["a", " b"], None)) == chunk('{"content":"a b"}')
    last = ending()
    assert writer.end(Piece([7, 2], ["é", ""], None), last) == (
        chunk('{"content":"é"}') + chunk("{}", '"stop"')
    )
    assert output.close([last]) == "data: [DONE]\n\n"


def test_golden_bytes_as_lines() -> None:
    output = response("jsonlines_chat", openai=openai())
    assert streamed(output, [tokens_of(5), tokens_of(6)]) == (
        HEAD + '{"index":0,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]}\n'
        + HEAD + '{"index":0,"delta":{"content":"a"},"logprobs":null,"finish_reason":null}]}\n'
        + HEAD + '{"index":0,"delta":{"content":" b"},"logprobs":null,"finish_reason":null}]}\n'
        + HEAD + '{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}\n'
    )  # fmt: skip


def test_golden_bytes_with_usage() -> None:
    null = ',"usage":null'
    output = response("sse_chat", openai=openai(include_usage=True))
    assert streamed(output, [tokens_of(5)], FinishReason.LENGTH) == (
        chunk(ROLE, more=null)
        + chunk('{"content":"a"}', more=null)
        + chunk("{}", '"length"', more=null)
        + f'data: {HEAD}],"usage":{{"prompt_tokens":3,"completion_tokens":1,"total_tokens":4}}}}\n\n'
        + "data: [DONE]\n\n"
    )


def test_golden_bytes_with_log_probs() -> None:
    output = response("sse_chat", openai=openai(logprobs=True, top_logprobs=1))
    writer = output.writer(0)
    first = '{"content":[{"token":"a","logprob":-0.500000,"bytes":[97],"top_logprobs":[]}]}'
    assert writer.line(5, "a", -0.5) == chunk(ROLE) + chunk('{"content":"a"}', logprobs=first)
    second = (
        '{"content":[{"token":"</s>","logprob":-1.000000,"bytes":[60,47,115,62],"top_logprobs":['
        '{"token":"é","logprob":-0.250000,"bytes":[195,169]}]}]}'
    )
    piece = Piece([2], [""], [-1.0], [[(7, -0.25), (2, -1.0)]])
    assert writer.write(piece) == chunk('{"content":""}', logprobs=second)
    assert writer.end(None, ending("a")) == chunk("{}", '"stop"')


def test_choices_begin_and_end_by_themselves() -> None:
    output = response("sse_chat", openai=openai(include_usage=True), n=2)
    first, second = output.writer(0), output.writer(1)
    prompt = request("sse_chat").prompts[0]
    endings = [ending("a", prompt=prompt), ending("b", index=1, prompt=prompt)]
    data = first.write(Piece([5], ["a"], None)) + second.end(Piece([5], ["b"], None), endings[1])
    data += first.end(None, endings[0]) + output.close(endings)
    read = events(data)
    assert [event["choices"][0]["index"] for event in read[:-2]] == [0, 0, 1, 1, 1, 0]
    assert read[-2]["choices"] == []
    assert read[-2]["usage"] == {"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9}
    assert read[-1] == "[DONE]"


def test_golden_bytes_of_an_error_after_text() -> None:
    output = response("sse_chat", openai=openai(include_usage=True))
    writer, broken = output.writer(0), failed(EngineRestarting("The engine broke."))
    writer.write(Piece([5], ["a"], None))
    error = (
        ',"usage":null,"error":{"message":"The engine broke.","type":"server_error",'
        '"code":"engine_restarting","param":null}'
    )
    assert writer.end(None, broken) == chunk("{}", '"error"', more=error)
    assert output.close([broken]) == "data: [DONE]\n\n"


def test_calls_come_whole() -> None:
    output = response("sse_chat", openai=openai(tools=ToolChoice.AUTO))
    text = 'Hm <tool_call>{"name":"f","arguments":{"a":1}}</tool_call> <tool_call>{"name":"g"}</tool_call>'
    read = events(streamed(output, [[token] for token in words(text)]))
    deltas = [event["choices"][0]["delta"] for event in read[:-1]]
    calls = [delta["tool_calls"] for delta in deltas if "tool_calls" in delta]
    assert [len(call) for call in calls] == [1, 1]
    assert [call[0]["index"] for call in calls] == [0, 1]
    assert len({call[0]["id"] for call in calls}) == 2
    assert calls[0][0]["type"] == "function"
    message, finish = gathered(read[:-1])
    assert message["content"] == "Hm"
    assert message["tool_calls"][0] == {"name": "f", "arguments": '{"a": 1}'}
    assert finish == "tool_calls"


def test_log_probs_of_what_is_held_back_come_with_the_next_chunk() -> None:
    output = response("sse_chat", openai=openai(tools=ToolChoice.AUTO, logprobs=True))
    text = 'Hm <tool_call>{"name":"g"}</tool_call>'
    read = events(streamed(output, [[token] for token in words(text)]))[:-1]
    items = [
        item for event in read for item in (event["choices"][0]["logprobs"] or {"content": []})["content"]
    ]
    assert len(items) == len(text)


texts = st.lists(
    st.sampled_from([text for text, _ in CALLS] + [text for text in PROSE if len(text) < 200])
    | st.text(max_size=9),
    max_size=3,
).map("".join)


@given(
    text=texts,
    cuts=st.lists(st.integers(0, 300), max_size=8),
    tools=st.sampled_from(ToolChoice),
    reason=st.sampled_from((FinishReason.EOS, FinishReason.LENGTH)),
    logprobs=st.booleans(),
    name=st.sampled_from(("sse_chat", "jsonlines_chat")),
)
def test_a_stream_comes_to_what_is_sent_whole(
    text: str, cuts: list[int], tools: ToolChoice, reason: FinishReason, logprobs: bool, name: str
) -> None:
    asked = openai(tools=tools, tool="f", logprobs=logprobs)
    tokens = words(text)
    edges = sorted({0, *[min(cut, len(tokens)) for cut in cuts], len(tokens)})
    pieces = [tokens[start:end] for start, end in itertools.pairwise(edges)]
    data = streamed(response(name, openai=asked), pieces, reason)
    read = events(data)[:-1] if name == "sse_chat" else lines(data)
    message, finish = gathered(read)
    (choice,) = json.loads(whole(response("json_chat", openai=asked), ending_of(tokens, reason)))["choices"]
    assert message["content"] == (choice["message"]["content"] or "")
    assert message.get("tool_calls", []) == [
        call["function"] for call in choice["message"].get("tool_calls", ())
    ]
    assert finish == choice["finish_reason"]
    items = [item for c in read for item in (c["choices"][0]["logprobs"] or {"content": []})["content"]]
    assert items == (choice["logprobs"] or {"content": []})["content"]
    if logprobs:
        assert (
            b"".join(bytes(item["bytes"]) for item in items) == "".join(f"t{t}" for t, _ in tokens).encode()
        )


def test_openais_own_client_reads_it() -> None:
    types = pytest.importorskip("openai.types.chat")
    output = response("sse_chat", openai=openai(include_usage=True, tools=ToolChoice.AUTO))
    data = streamed(output, [words("x"), words('<tool_call>{"name":"g"}</tool_call>')])
    read = [types.ChatCompletionChunk.model_validate(event) for event in events(data)[:-1]]
    assert read[0].choices[0].delta.role == "assistant"
    assert read[-1].usage.total_tokens == read[-1].usage.prompt_tokens + read[-1].usage.completion_tokens
    assert any(c.choices and c.choices[0].delta.tool_calls for c in read)
