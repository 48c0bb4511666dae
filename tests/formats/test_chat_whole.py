from __future__ import annotations

import json

import pytest

from djl_trtllm.core import FinishReason, OpenAI, SamplingParams, ToolChoice
from djl_trtllm.errors import EngineRestarting, InvalidRequest
from djl_trtllm.formats.base import Piece
from tests.formats.helpers import ending, failed, request, response, whole
from tests.formats.streams import ending_of, tokens_of, words

HEAD = '{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"m","choices":['


def openai(**changes: object) -> OpenAI:
    return OpenAI("chatcmpl-1", 1700000000, "m", **changes)  # type: ignore[arg-type]


def test_golden_bytes() -> None:
    output = response("json_chat", openai=openai())
    assert not output.keeps_tokens
    writer, last = output.writer(0), ending('"a"\u2028é')
    assert writer.write(Piece([5], ["a"], None)) == writer.line(5, "a", None) == writer.end(None, last) == ""
    assert output.close([last]) == (
        HEAD + '{"index":0,"message":{"role":"assistant","content":"\\"a\\"\\u2028é"},"logprobs":null,'
        '"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":3,"total_tokens":6}}'
    )


def test_golden_bytes_with_log_probs() -> None:
    output = response("json_chat", openai=openai(logprobs=True, top_logprobs=1))
    assert output.keeps_tokens
    last = ending(
        "é\n",
        FinishReason.LENGTH,
        tokens=[7, 4],
        texts=["é", "\n"],
        logprobs=[0.0, -1.25],
        tops=[[(7, 0.0), (5, -9.0)], [(6, -1.0), (4, -1.25)]],
    )
    assert whole(output, last) == (
        HEAD + '{"index":0,"message":{"role":"assistant","content":"é\\n"},"logprobs":{"content":['
        '{"token":"é","logprob":0.000000,"bytes":[195,169],"top_logprobs":['
        '{"token":"é","logprob":0.000000,"bytes":[195,169]}]},'
        '{"token":"\\n","logprob":-1.250000,"bytes":[10],"top_logprobs":['
        '{"token":" b","logprob":-1.000000,"bytes":[32,98]}]}]},"finish_reason":"length"}],'
        '"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}'
    )


def test_log_probs_that_the_engine_did_not_give_are_null() -> None:
    last = ending("a\ufffd", tokens=[5, -1], texts=["a", "\ufffd"], logprobs=None)
    body = json.loads(whole(response("json_chat", openai=openai(logprobs=True)), last))
    assert body["choices"][0]["logprobs"]["content"] == [
        {"token": "a", "logprob": None, "bytes": [97], "top_logprobs": []}
    ]
    assert body["choices"][0]["message"]["content"] == "a\ufffd"


def test_several_choices_share_a_prompt() -> None:
    made = request("json_chat", openai=openai(), n=2)
    endings = [ending(str(i), index=i, prompt=made.prompts[0]) for i in range(2)]
    body = json.loads(whole(response("json_chat", openai=openai(), n=2), *endings))
    assert [(choice["index"], choice["message"]["content"]) for choice in body["choices"]] == [
        (0, "0"),
        (1, "1"),
    ]
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 6, "total_tokens": 9}


def test_golden_bytes_of_errors() -> None:
    output = response("json_chat", openai=openai())
    assert whole(output, failed(EngineRestarting("The engine broke."))) == (
        '{"error":{"message":"The engine broke.","type":"server_error","code":"engine_restarting","param":null}}'
    )
    assert json.loads(whole(output, failed(InvalidRequest("No."))))["error"]["type"] == (
        "invalid_request_error"
    )


@pytest.mark.parametrize(
    ("reason", "shown"),
    [
        (FinishReason.EOS, "stop"),
        (FinishReason.STOP, "stop"),
        (FinishReason.LENGTH, "length"),
        (FinishReason.CANCELLED, "cancelled"),
    ],
)
def test_finish_reasons(reason: FinishReason, shown: str) -> None:
    body = json.loads(whole(response("json_chat", openai=openai()), ending(reason=reason)))
    assert body["choices"][0]["finish_reason"] == shown


def answered(text: str, choice: ToolChoice, reason: FinishReason = FinishReason.EOS) -> dict[str, object]:
    output = response("json_chat", openai=openai(tools=choice, tool="f"))
    assert output.keeps_tokens
    (answer,) = json.loads(whole(output, ending_of(words(text), reason)))["choices"]
    for call in answer["message"].get("tool_calls", ()):
        assert call.pop("id").startswith("call_")
    return answer  # type: ignore[no-any-return]


def test_golden_call() -> None:
    assert answered('Hm. <tool_call>{"name":"g","arguments":{"é":1}}</tool_call>', ToolChoice.AUTO) == {
        "index": 0,
        "message": {
            "role": "assistant",
            "content": "Hm.",
            "tool_calls": [{"type": "function", "function": {"name": "g", "arguments": '{"é": 1}'}}],
        },
        "logprobs": None,
        "finish_reason": "tool_calls",
    }


def test_calls_of_every_choice() -> None:
    required = answered('[{"name":"f","parameters":{}},{"name":"g","parameters":{}}]', ToolChoice.REQUIRED)
    assert required["message"]["content"] is None  # type: ignore[index]
    assert [call["function"]["name"] for call in required["message"]["tool_calls"]] == ["f", "g"]  # type: ignore[index]
    named = answered('{"a": 1}', ToolChoice.NAMED)
    assert named["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": '{"a": 1}'}  # type: ignore[index]
    assert named["finish_reason"] == "tool_calls"
    cut = answered('{"a": 1', ToolChoice.NAMED, FinishReason.LENGTH)
    assert cut["message"] == {"role": "assistant", "content": '{"a": 1'}
    assert cut["finish_reason"] == "length"
    none = json.loads(whole(response("json_chat", openai=openai()), ending('{"name":"f","parameters":{}}')))
    assert none["choices"][0]["message"]["content"] == '{"name":"f","parameters":{}}'


def test_special_tokens_that_mark_nothing_are_taken_out() -> None:
    output = response("json_chat", openai=openai(tools=ToolChoice.AUTO))
    last = ending_of([*tokens_of(5, 9, 8), (50, '{"name":"g"}'), (2, "\ufffd</s>")])
    message = json.loads(whole(output, last))["choices"][0]["message"]
    assert message["content"] == "a\ufffd"
    assert message["tool_calls"][0]["function"] == {"name": "g", "arguments": "{}"}


def test_special_tokens_that_mark_calls_stay() -> None:
    output = response("json_chat", openai=openai(tools=ToolChoice.AUTO))
    last = ending_of([(50, "[TOOL_CALLS]g"), *tokens_of(10), (51, "{}"), *tokens_of(2)])
    message = json.loads(whole(output, last))["choices"][0]["message"]
    assert message["tool_calls"][0]["function"] == {"name": "g", "arguments": "{}"}


def test_a_special_token_that_a_stop_string_cut() -> None:
    output = response("json_chat", openai=openai(tools=ToolChoice.AUTO))
    last = ending_of([*tokens_of(5), (9, "<|")])
    assert json.loads(whole(output, last))["choices"][0]["message"]["content"] == "a"


def test_the_likeliest_choices_and_the_tokens_of_all() -> None:
    made = request("json_chat", openai=openai(), n=1, sequences=3)
    endings = [
        ending(str(i), score=score, index=i, prompt=made.prompts[0]) for i, score in enumerate((-3, -1, -2))
    ]
    body = json.loads(whole(response("json_chat", openai=openai(), n=1, sequences=3), *endings))
    assert [(c["index"], c["message"]["content"]) for c in body["choices"]] == [(0, "1")]
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12}


def test_a_request_of_another_schema() -> None:
    body = json.loads(whole(response("json_chat", sampling=SamplingParams(5)), ending("a")))
    assert body["id"].startswith("chatcmpl-")
    assert body["created"] > 1_700_000_000


def test_openais_own_client_reads_it() -> None:
    types = pytest.importorskip("openai.types.chat")
    output = response("json_chat", openai=openai(tools=ToolChoice.AUTO))
    last = ending_of(words('x<tool_call>{"name":"g"}</tool_call>'))
    read = types.ChatCompletion.model_validate_json(whole(output, last))
    assert read.choices[0].message.tool_calls[0].function.name == "g"
