from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.core import FinishReason, Request, SamplingParams, Usage
from djl_trtllm.errors import EngineRestarting
from djl_trtllm.formats.base import Ending, Piece
from djl_trtllm.formats.json_format import JsonWriter
from djl_trtllm.formats.token_json import TokenJson


def request(**changes: object) -> Request:
    fields: dict[str, object] = {
        "prompt": 'Say "hi"\n',
        "sampling": SamplingParams(5),
        "output_format": "json",
    }
    return Request(**(fields | changes))  # type: ignore[arg-type]


def ending(**changes: object) -> Ending:
    fields: dict[str, object] = {
        "reason": FinishReason.EOS,
        "text": "hi\\ \u2028é",
        "prompt": 'Say "hi"\n',
        "usage": Usage(4, 2),
        "tokens": [17, 2],
        "texts": ["hi\\ \u2028é", ""],
        "logprobs": [0.0, -1.5],
    }
    return Ending(**(fields | changes))  # type: ignore[arg-type]


def test_golden_bytes() -> None:
    writer = JsonWriter(request(), TokenJson(frozenset({2})))
    assert writer.content_type == "application/json"
    assert writer.write(Piece([17], ["hi"], None)) == ""
    assert writer.end(Piece([2], [""], None), ending()) == '{"generated_text":"hi\\\\ \\u2028é"}'


def test_golden_bytes_with_everything() -> None:
    writer = JsonWriter(request(details=True, return_full_text=True), TokenJson(frozenset({2})))
    assert writer.end(None, ending()) == (
        '{"generated_text":"Say \\"hi\\"\\nhi\\\\ \\u2028é","details":{"finish_reason":"eos_token",'
        '"generated_tokens":2,"inputs":"Say \\"hi\\"\\n","tokens":['
        '{"id":17,"text":"hi\\\\ \\u2028é","log_prob":0.000000},'
        '{"id":2,"text":"","log_prob":-1.500000,"special_token":true}]}}'
    )


def test_golden_bytes_of_an_error() -> None:
    error = EngineRestarting("The engine broke.")
    failed = ending(reason=FinishReason.ERROR, error=error)
    assert JsonWriter(request(), TokenJson(frozenset())).end(None, failed) == (
        '{"generated_text":null,"error":"The engine broke.","code":503,"error_code":"engine_restarting",'
        '"retryable":true,"details":{"finish_reason":"error","generated_tokens":2}}'
    )


@pytest.mark.parametrize("reason", list(FinishReason))
def test_the_reason_is_told_as_it_happened(reason: FinishReason) -> None:
    body = json.loads(
        JsonWriter(request(details=True), TokenJson(frozenset())).end(None, ending(reason=reason))
    )
    assert body["details"]["finish_reason"] == reason.value


def test_a_cancelled_answer_says_so_unasked() -> None:
    body = json.loads(
        JsonWriter(request(), TokenJson(frozenset())).end(None, ending(reason=FinishReason.CANCELLED))
    )
    assert body["details"] == {"finish_reason": "cancelled", "generated_tokens": 2}


def test_tokens_without_log_probs() -> None:
    body = json.loads(
        JsonWriter(request(details=True), TokenJson(frozenset())).end(None, ending(logprobs=None))
    )
    assert [token["log_prob"] for token in body["details"]["tokens"]] == [None, None]


floats = st.floats()


@given(
    prompt=st.text(),
    tokens=st.lists(st.tuples(st.integers(-1, 10**6), st.text(), floats), max_size=8),
    details=st.booleans(),
    full=st.booleans(),
    reason=st.sampled_from(FinishReason),
)
def test_anything_is_valid_json(
    prompt: str, tokens: list[tuple[int, str, float]], details: bool, full: bool, reason: FinishReason
) -> None:
    ids, texts, logprobs = (list(column) for column in zip(*tokens, strict=True)) if tokens else ([], [], [])
    whole = Ending(reason, "".join(texts), prompt, Usage(1, len(ids)), ids, texts, logprobs)
    writer = JsonWriter(
        request(prompt=prompt, details=details, return_full_text=full), TokenJson(frozenset())
    )
    body = json.loads(writer.end(None, whole), parse_constant=pytest.fail)
    assert body["generated_text"] == (prompt if full else "") + "".join(texts)
    if details:
        assert body["details"]["inputs"] == prompt
        for token, (token_id, text, log_prob) in zip(body["details"]["tokens"], tokens, strict=True):
            finite = math.isfinite(log_prob) and abs(log_prob) < 1e30
            shown = pytest.approx(log_prob, rel=1e-6, abs=1e-6) if finite else None
            assert token == {"id": token_id, "text": text, "log_prob": shown}
