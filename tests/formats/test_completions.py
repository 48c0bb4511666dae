from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.core import Alternatives, FinishReason, OpenAI, Prompt
from djl_trtllm.errors import EngineRestarting
from djl_trtllm.formats.base import Piece
from djl_trtllm.formats.registry import Writers
from tests.formats.helpers import ending, failed, request, response, whole
from tests.formats.streams import ending_of, events, streamed, tokens_of, words

HEAD = '{"id":"cmpl-1","object":"text_completion","created":1700000000,"model":"m","choices":['
USAGE = ',"usage":{"prompt_tokens":3,"completion_tokens":3,"total_tokens":6}'


def openai(**changes: object) -> OpenAI:
    return OpenAI("cmpl-1", 1700000000, "m", **changes)  # type: ignore[arg-type]


def chunk(text: str, finish: str = "null", logprobs: str = "null", more: str = "") -> str:
    choice = f'{{"text":"{text}","index":0,"logprobs":{logprobs},"finish_reason":{finish}}}'
    return f"data: {HEAD}{choice}]{more}}}\n\n"


TOPS: list[Alternatives] = [[(5, 0.0)], [(6, -0.1), (7, -1.0)], [(2, -0.25), (50, -2.0)]]


def test_golden_bytes() -> None:
    assert whole(response("completions", openai=openai()), ending('"é"\u2028')) == (
        HEAD + '{"text":"\\"é\\"\\u2028","index":0,"logprobs":null,"finish_reason":"stop"}]' + USAGE + "}"
    )


def test_golden_bytes_with_log_probs() -> None:
    output = response("completions", openai=openai(logprobs=True, top_logprobs=1))
    assert output.keeps_tokens
    assert whole(output, ending(logprobs=[0.0, -1.0, -0.25], tops=TOPS)) == (
        HEAD + '{"text":"a é","index":0,"logprobs":{"tokens":["a","é","</s>"],'
        '"token_logprobs":[0.000000,-1.000000,-0.250000],'
        '"top_logprobs":[{"a":0.000000},{" b":-0.100000,"é":-1.000000},{"</s>":-0.250000}],'
        '"text_offset":[0,1,3]},"finish_reason":"stop"}]' + USAGE + "}"
    )


def test_golden_bytes_with_echo() -> None:
    last = ending(logprobs=[0.0, -1.0, -0.25], prompt_logprobs=[None, -3.0, -4.0])
    plain = whole(response("completions", openai=openai(echo=True)), last)
    assert json.loads(plain)["choices"][0]["text"] == 'Say "hi"\na é'
    assert whole(response("completions", openai=openai(echo=True, logprobs=True)), last) == (
        HEAD + '{"text":"Say \\"hi\\"\\na é","index":0,"logprobs":{'
        '"tokens":["Say"," \\"hi\\"","\\n","a","é","</s>"],'
        '"token_logprobs":[null,-3.000000,-4.000000,0.000000,-1.000000,-0.250000],"top_logprobs":null,'
        '"text_offset":[0,3,8,9,10,12]},"finish_reason":"stop"}]' + USAGE + "}"
    )
    tops = whole(
        response("completions", openai=openai(echo=True, logprobs=True, top_logprobs=1)),
        ending(logprobs=[0.0, -1.0, -0.25], prompt_logprobs=[None, -3.0, -4.0], tops=TOPS),
    )
    assert json.loads(tops)["choices"][0]["logprobs"]["top_logprobs"][2:4] == [None, {"a": 0.0}]


def test_parts_of_characters_are_told_apart() -> None:
    raw = {1: b"a", 2: b"\xe6\x97", 3: b"\xe6"}
    writers = Writers(frozenset(), lambda token: raw[token].decode("utf-8", "replace"), raw.__getitem__)
    output = writers.make(request("completions", openai=openai(logprobs=True, top_logprobs=3)))
    tops: list[Alternatives] = [[(3, -0.1), (2, -0.2), (1, -0.3)]]
    last = ending("", tokens=[2], texts=[""], logprobs=[-0.2], tops=tops)
    shown = json.loads(whole(output, last))["choices"][0]["logprobs"]
    assert shown["tokens"] == ["bytes:\\xe6\\x97"]
    assert shown["top_logprobs"] == [{"bytes:\\xe6": -0.1, "bytes:\\xe6\\x97": -0.2, "a": -0.3}]


def test_choices_of_several_prompts() -> None:
    prompts = (Prompt("x", (1,)), Prompt("y", (3, 4)))
    output = response("completions", openai=openai(), prompts=prompts, n=2, listed=True)
    endings = [ending(str(i), index=i, prompt=prompts[i // 2]) for i in range(4)]
    body = json.loads(whole(output, *endings))
    assert [(choice["index"], choice["text"]) for choice in body["choices"]] == [
        (i, str(i)) for i in range(4)
    ]
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 12, "total_tokens": 15}


def test_best_of() -> None:
    prompts = (Prompt("x", (1,)), Prompt("y", (3, 4)))
    output = response("completions", openai=openai(), prompts=prompts, n=1, sequences=2, listed=True)
    endings = [
        ending(str(i), score=score, index=i, prompt=prompts[i // 2])
        for i, score in enumerate((-1.0, -2.0, -4.0, -3.0))
    ]
    body = json.loads(whole(output, *endings))
    assert [(choice["index"], choice["text"]) for choice in body["choices"]] == [(0, "0"), (1, "3")]
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 12, "total_tokens": 15}


def test_golden_stream() -> None:
    output = response("completions", openai=openai(include_usage=True), stream=True)
    null = ',"usage":null'
    assert streamed(output, [tokens_of(5), tokens_of(6, 7), tokens_of(4)]) == (
        chunk("a", more=null)
        + chunk(" bé", more=null)
        + chunk("\\n", more=null)
        + chunk("", '"stop"', more=null)
        + f'data: {HEAD}],"usage":{{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}}}}\n\n'
        + "data: [DONE]\n\n"
    )


def test_golden_stream_with_echo_and_log_probs() -> None:
    output = response("completions", openai=openai(echo=True, logprobs=True), stream=True)
    writer = output.writer(0)
    assert writer.line(5, "a", 0.0) == chunk(
        'Say \\"hi\\"\\na',
        logprobs='{"tokens":["a"],"token_logprobs":[0.000000],"top_logprobs":null,"text_offset":[9]}',
    )
    assert writer.write(Piece([2], [""], [-1.0])) == chunk(
        "",
        logprobs='{"tokens":["</s>"],"token_logprobs":[-1.000000],"top_logprobs":null,"text_offset":[10]}',
    )
    assert writer.end(None, ending("a", FinishReason.LENGTH)) == chunk("", '"length"')
    echoed = response("completions", openai=openai(echo=True), stream=True, n=2).writer(1)
    assert json.loads(echoed.line(5, "", None)[6:])["choices"][0]["text"] == 'Say "hi"\n'
    assert echoed.line(2, "", None) == ""


def test_golden_bytes_of_errors() -> None:
    broken = failed(EngineRestarting("The engine broke."))
    error = (
        '"error":{"message":"The engine broke.","type":"server_error",'
        '"code":"engine_restarting","param":null}'
    )
    assert whole(response("completions", openai=openai()), broken) == "{" + error + "}"
    output = response("completions", openai=openai(include_usage=True), stream=True)
    assert output.writer(0).end(None, broken) == chunk("", '"error"', more=',"usage":null,' + error)
    assert output.close([broken]) == "data: [DONE]\n\n"


@given(
    text=st.text(),
    cuts=st.lists(st.integers(0, 40), max_size=5),
    echo=st.booleans(),
    logprobs=st.booleans(),
)
def test_a_stream_comes_to_what_is_sent_whole(text: str, cuts: list[int], echo: bool, logprobs: bool) -> None:
    asked = openai(echo=echo, logprobs=logprobs)
    tokens = words(text)
    edges = sorted({0, *[min(cut, len(tokens)) for cut in cuts], len(tokens)})
    pieces = [tokens[start:end] for start, end in itertools.pairwise(edges)]
    *read, done = events(streamed(response("completions", openai=asked, stream=True), pieces))
    assert done == "[DONE]"
    choices: list[Any] = [event["choices"][0] for event in read]
    (choice,) = json.loads(whole(response("completions", openai=asked), ending_of(tokens)))["choices"]
    assert "".join(part["text"] for part in choices) == choice["text"]
    assert choices[-1]["finish_reason"] == choice["finish_reason"] == "stop"
    if logprobs:
        offsets = [o for part in choices for o in (part["logprobs"] or {"text_offset": []})["text_offset"]]
        own = choice["logprobs"]["text_offset"][3 if echo else 0 :]
        assert offsets == own
        assert [choice["text"][offset] for offset in own] == list(text)


def test_openais_own_client_reads_it() -> None:
    types = pytest.importorskip("openai.types")
    output = response("completions", openai=openai(logprobs=True, top_logprobs=1))
    last = ending(logprobs=[0.0, -1.0, -0.25], tops=TOPS)
    assert types.Completion.model_validate_json(whole(output, last)).choices[0].logprobs.text_offset == [
        0,
        1,
        3,
    ]
    stream = streamed(response("completions", openai=openai(), stream=True), [tokens_of(5)])
    read = [types.Completion.construct(**event) for event in events(stream)[:-1]]
    assert [chunk.choices[0].text for chunk in read] == ["a", ""]
