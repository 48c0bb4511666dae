from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.core import FinishReason, Prompt, SamplingParams
from djl_trtllm.errors import EngineRestarting
from djl_trtllm.formats.base import Piece
from tests.formats.helpers import SPECIAL, ending, failed, response, whole


def test_golden_bytes() -> None:
    output = response("json")
    assert output.content_type == "application/json"
    assert not output.keeps_tokens
    writer, last = output.writer(0), ending("hi\\ \u2028é")
    assert writer.write(Piece([17], ["hi"], None)) == writer.line(17, "hi", None) == ""
    assert writer.end(Piece([2], [""], None), last) == ""
    assert output.close([last]) == '{"generated_text":"hi\\\\ \\u2028é"}'


def test_golden_bytes_with_everything() -> None:
    sampling = SamplingParams(5, logprobs=True, top_logprobs=2, prompt_logprobs=True)
    output = response(
        "json", details=True, return_full_text=True, sampling=sampling, warnings=("top_k is ignored.",)
    )
    assert output.keeps_tokens
    last = ending(
        logprobs=[0.0, -1.5, -0.25],
        tops=[[(5, 0.0)], [(7, -1.5), (6, -2.0)], [(2, -0.25)]],
        prompt_logprobs=[None, -3.0, float("-inf")],
    )
    assert whole(output, last) == (
        '{"generated_text":"Say \\"hi\\"\\na é","details":{"finish_reason":"eos_token",'
        '"generated_tokens":3,"inputs":"Say \\"hi\\"\\n","tokens":['
        '{"id":5,"text":"a","log_prob":0.000000},{"id":7,"text":" é","log_prob":-1.500000},'
        '{"id":2,"text":"","log_prob":-0.250000,"special_token":true}],"prefill":['
        '{"id":1,"text":"Say","log_prob":null},{"id":3,"text":" \\"hi\\"","log_prob":-3.000000},'
        '{"id":4,"text":"\\n","log_prob":null}],"top_tokens":[[{"id":5,"text":"a","log_prob":0.000000}],'
        '[{"id":7,"text":"é","log_prob":-1.500000},{"id":6,"text":" b","log_prob":-2.000000}],'
        '[{"id":2,"text":"</s>","log_prob":-0.250000,"special_token":true}]],"warnings":["top_k is ignored."]}}'
    )


def test_golden_bytes_of_several_sequences() -> None:
    output = response("json", n=2)
    assert output.keeps_tokens
    endings = [
        ending("a", FinishReason.LENGTH, tokens=[5], texts=["a"], index=0),
        ending(" b", tokens=[6], texts=[" b"], logprobs=[-1.0], index=1),
    ]
    assert whole(output, *endings) == (
        '{"generated_text":"a","details":{"finish_reason":"length","generated_tokens":1,'
        '"inputs":"Say \\"hi\\"\\n","tokens":[{"id":5,"text":"a","log_prob":null}],"best_of_sequences":['
        '{"finish_reason":"eos_token","generated_tokens":1,"tokens":[{"id":6,"text":" b","log_prob":-1.000000}],'
        '"generated_text":" b"}]}}'
    )


def test_the_likeliest_come_first_and_the_others_not_at_all() -> None:
    output = response("json", n=2, sequences=3)
    endings = [ending(f"{i}", score=score, index=i) for i, score in enumerate((-3.0, -2.0, -1.0))]
    body = json.loads(whole(output, *endings))
    assert body["generated_text"] == "2"
    assert [other["generated_text"] for other in body["details"]["best_of_sequences"]] == ["1"]
    single = response("json", n=1, sequences=3)
    assert whole(single, *endings) == '{"generated_text":"2"}'


def test_a_list_of_prompts_gets_a_list() -> None:
    prompts = (Prompt("x", (1,)), Prompt("y", (3,)))
    output = response("json", prompts=prompts, listed=True)
    assert whole(output, ending("1", prompt=prompts[0]), ending("2", prompt=prompts[1], index=1)) == (
        '[{"generated_text":"1"},{"generated_text":"2"}]'
    )
    assert whole(response("json", listed=True), ending("1")) == '[{"generated_text":"1"}]'


def test_golden_bytes_of_an_error() -> None:
    error = EngineRestarting("The engine broke.")
    assert whole(response("json"), failed(error)) == (
        '{"generated_text":null,"error":"The engine broke.","code":503,"error_code":"engine_restarting",'
        '"retryable":true,"details":{"finish_reason":"error","generated_tokens":3}}'
    )


@pytest.mark.parametrize("reason", list(FinishReason))
def test_the_reason_is_told_as_it_happened(reason: FinishReason) -> None:
    body = json.loads(whole(response("json", details=True), ending(reason=reason)))
    assert body["details"]["finish_reason"] == reason.value


def test_a_cancelled_answer_says_so_unasked() -> None:
    body = json.loads(whole(response("json"), ending(reason=FinishReason.CANCELLED)))
    assert body["details"] == {"finish_reason": "cancelled", "generated_tokens": 3}


def test_a_tail_without_a_log_prob_is_not_lost() -> None:
    last = ending("a\ufffd", tokens=[5, -1], texts=["a", "\ufffd"], logprobs=[-1.0])
    tokens = json.loads(whole(response("json", details=True), last))["details"]["tokens"]
    assert [(token["text"], token["log_prob"]) for token in tokens] == [("a", -1.0), ("\ufffd", None)]


@given(
    text=st.text(),
    tokens=st.lists(st.tuples(st.integers(-1, 10**6), st.text(), st.floats()), max_size=8),
    details=st.booleans(),
    full=st.booleans(),
    reason=st.sampled_from(FinishReason),
)
def test_anything_is_valid_json(
    text: str, tokens: list[tuple[int, str, float]], details: bool, full: bool, reason: FinishReason
) -> None:
    ids, texts, logprobs = (list(column) for column in zip(*tokens, strict=True)) if tokens else ([], [], [])
    last = ending("".join(texts), reason, tokens=ids, texts=texts, logprobs=logprobs, prompt=Prompt(text))
    output = response("json", details=details, return_full_text=full)
    body = json.loads(whole(output, last), parse_constant=pytest.fail)
    assert body["generated_text"] == (text if full else "") + "".join(texts)
    if details:
        assert body["details"]["inputs"] == text
        for token, (token_id, token_text, log_prob) in zip(body["details"]["tokens"], tokens, strict=True):
            finite = math.isfinite(log_prob) and abs(log_prob) < 1e30
            shown = pytest.approx(log_prob, rel=1e-6, abs=1e-6) if finite else None
            expected = {"id": token_id, "text": token_text, "log_prob": shown}
            assert token == expected | ({"special_token": True} if token_id in SPECIAL else {})
