from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.core import FinishReason, Request, SamplingParams, Usage
from djl_trtllm.errors import EngineRestarting
from djl_trtllm.formats.base import Ending, Piece
from djl_trtllm.formats.jsonlines_format import JsonLinesWriter
from djl_trtllm.formats.token_json import TokenJson

PROMPT = 'Say "hi"\n'


def request(**changes: object) -> Request:
    fields: dict[str, object] = {
        "prompt": PROMPT,
        "sampling": SamplingParams(5),
        "output_format": "jsonlines",
    }
    return Request(**(fields | changes))  # type: ignore[arg-type]


def writer(**changes: object) -> JsonLinesWriter:
    return JsonLinesWriter(request(**changes), TokenJson(frozenset({2})))


def ending(reason: FinishReason = FinishReason.STOP, error: EngineRestarting | None = None) -> Ending:
    return Ending(reason, "hi é", PROMPT, Usage(4, 3), error=error)


def test_golden_bytes() -> None:
    lines = writer()
    assert lines.content_type == "application/jsonlines"
    assert lines.write(Piece([304], [' "hi"\n'], [-0.25])) == (
        '{"token":{"id":304,"text":" \\"hi\\"\\n","log_prob":-0.250000}}\n'
    )
    assert lines.write(Piece([7, 2], ["é", ""], None)) == (
        '{"token":{"id":7,"text":"é","log_prob":null}}\n'
        '{"token":{"id":2,"text":"","log_prob":null,"special_token":true}}\n'
    )
    assert lines.write(Piece([], [], None)) == ""
    assert lines.end(Piece([2], ["."], [0.0]), ending()) == (
        '{"token":{"id":2,"text":".","log_prob":0.000000,"special_token":true},"generated_text":"hi é"}\n'
    )


def test_golden_bytes_with_everything() -> None:
    lines = writer(details=True, return_full_text=True)
    assert lines.end(Piece([5, 6], ["a", "b"], [0.0, -1e-09]), ending(FinishReason.LENGTH)) == (
        '{"token":{"id":5,"text":"a","log_prob":0.000000}}\n'
        '{"token":{"id":6,"text":"b","log_prob":-0.000000},"generated_text":"Say \\"hi\\"\\nhi é",'
        '"details":{"finish_reason":"length","generated_tokens":3,"inputs":"Say \\"hi\\"\\n"}}\n'
    )


def test_golden_bytes_of_an_error_after_text() -> None:
    failed = ending(FinishReason.ERROR, EngineRestarting("The engine broke."))
    last = (
        '{"token":{"id":-1,"text":"","log_prob":-1,"special_token":true},"error":"The engine broke.","code":503,'
        '"error_code":"engine_restarting","retryable":true,"generated_text":"hi é",'
        '"details":{"finish_reason":"error","generated_tokens":3}}\n'
    )
    assert writer().end(None, failed) == last
    assert (
        writer().end(Piece([5], ["é"], None), failed)
        == '{"token":{"id":5,"text":"é","log_prob":null}}\n' + last
    )
    detailed = json.loads(writer(details=True).end(None, failed))
    assert detailed["details"] == {"finish_reason": "error", "generated_tokens": 3, "inputs": PROMPT}


def test_an_ending_without_a_token_has_a_line_of_its_own() -> None:
    for piece in (None, Piece([], [], None)):
        assert writer().end(piece, ending(FinishReason.EOS)) == (
            '{"token":{"id":-1,"text":"","log_prob":-1,"special_token":true},"generated_text":"hi é"}\n'
        )


@pytest.mark.parametrize("reason", list(FinishReason))
def test_the_reason_is_told_as_it_happened(reason: FinishReason) -> None:
    last = json.loads(writer(details=True).end(Piece([5], ["x"], None), ending(reason)))
    assert last["details"]["finish_reason"] == reason.value


def test_a_cancelled_answer_says_so_unasked() -> None:
    last = json.loads(writer().end(Piece([5], ["x"], None), ending(FinishReason.CANCELLED)))
    assert last["details"] == {"finish_reason": "cancelled", "generated_tokens": 3}


tokens_strategy = st.lists(
    st.tuples(
        st.integers(0, 10**6), st.text() | st.sampled_from('\u2028\u2029\x85\r\n\x0b\x1c"\\'), st.floats()
    ),
    max_size=6,
)


@given(
    pieces=st.lists(tokens_strategy, max_size=4),
    last=st.none() | tokens_strategy,
    with_logprobs=st.booleans(),
    details=st.booleans(),
    prompt=st.text(),
    reason=st.sampled_from(FinishReason),
    message=st.none() | st.text(max_size=30),
)
def test_any_tokens_are_a_valid_line_each(
    pieces: list[list[tuple[int, str, float]]],
    last: list[tuple[int, str, float]] | None,
    with_logprobs: bool,
    details: bool,
    prompt: str,
    reason: FinishReason,
    message: str | None,
) -> None:
    lines, given_tokens = (
        writer(details=details, prompt=prompt),
        [t for p in (*pieces, last or []) for t in p],
    )

    def piece(tokens: list[tuple[int, str, float]]) -> Piece:
        columns = [list(column) for column in zip(*tokens, strict=True)] or [[], [], []]
        return Piece(columns[0], columns[1], columns[2] if with_logprobs else None)

    text = "".join(text for _, text, _ in given_tokens)
    error = None if message is None else EngineRestarting(message)
    whole = Ending(reason, text, prompt, Usage(1, len(given_tokens)), error=error)
    data = "".join([lines.write(piece(p)) for p in pieces])
    data += lines.end(None if last is None else piece(last), whole)
    assert data.endswith("}\n")
    parsed = [json.loads(line, parse_constant=pytest.fail) for line in data.splitlines()]
    assert "".join(line["token"]["text"] for line in parsed) == text == parsed[-1]["generated_text"]
    own = [line["token"] for line in parsed if line["token"]["id"] >= 0]
    for token, (token_id, token_text, log_prob) in zip(own, given_tokens, strict=True):
        assert (token["id"], token["text"]) == (token_id, token_text)
        if not with_logprobs or not math.isfinite(log_prob) or abs(log_prob) >= 1e30:
            assert token["log_prob"] is None
        else:
            assert token["log_prob"] == pytest.approx(log_prob, rel=1e-6, abs=1e-6)
    assert all("generated_text" not in line for line in parsed[:-1])
    assert ("error" in parsed[-1]) is (error is not None)
