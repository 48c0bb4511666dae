from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.core import FinishReason, Prompt, SamplingParams
from djl_trtllm.errors import EngineRestarting
from djl_trtllm.formats.base import Piece, Writer
from tests.formats.helpers import PROMPT, ending, failed, response, whole


def writer(**changes: object) -> Writer:
    return response("jsonlines", **changes).writer(0)


def test_golden_bytes() -> None:
    output = response("jsonlines")
    assert output.content_type == "application/jsonlines"
    assert not output.keeps_tokens
    lines = output.writer(0)
    assert lines.write(Piece([304], [' "hi"\n'], [-0.25])) == (
        '{"token":{"id":304,"text":" \\"hi\\"\\n","log_prob":-0.250000}}\n'
    )
    assert lines.line(304, ' "hi"\n', -0.25) == lines.write(Piece([304], [' "hi"\n'], [-0.25]))
    assert lines.write(Piece([7, 2], ["é", ""], None)) == (
        '{"token":{"id":7,"text":"é","log_prob":null}}\n'
        '{"token":{"id":2,"text":"","log_prob":null,"special_token":true}}\n'
    )
    assert lines.write(Piece([], [], None)) == ""
    last = ending("hi é", FinishReason.STOP)
    assert lines.end(Piece([2], ["."], [0.0]), last) == (
        '{"token":{"id":2,"text":".","log_prob":0.000000,"special_token":true},"generated_text":"hi é"}\n'
    )
    assert output.close([last]) == ""


def test_golden_bytes_with_everything() -> None:
    sampling = SamplingParams(5, logprobs=True, top_logprobs=1, prompt_logprobs=True)
    lines = writer(details=True, return_full_text=True, sampling=sampling, warnings=("top_k is ignored.",))
    piece = Piece([5, 6], ["a", "b"], [0.0, -1e-09], [[(5, 0.0)], [(6, -1e-09)]])
    last = ending("ab", FinishReason.LENGTH, prompt_logprobs=[None, -3.0, -4.0])
    assert lines.end(piece, last) == (
        '{"token":{"id":5,"text":"a","log_prob":0.000000},"top_tokens":[{"id":5,"text":"a","log_prob":0.000000}]}\n'
        '{"token":{"id":6,"text":"b","log_prob":-0.000000},"top_tokens":[{"id":6,"text":" b","log_prob":-0.000000}],'
        '"generated_text":"Say \\"hi\\"\\nab","details":{"finish_reason":"length","generated_tokens":3,'
        '"inputs":"Say \\"hi\\"\\n","prefill":[{"id":1,"text":"Say","log_prob":null},'
        '{"id":3,"text":" \\"hi\\"","log_prob":-3.000000},{"id":4,"text":"\\n","log_prob":-4.000000}],'
        '"warnings":["top_k is ignored."]}}\n'
    )
    assert lines.write(piece).count('"top_tokens"') == 2


def test_golden_bytes_of_several_sequences() -> None:
    output = response("jsonlines", n=2)
    first, second = output.writer(0), output.writer(1)
    assert first.line(5, "a", -1.0) == '{"index":0,"token":{"id":5,"text":"a","log_prob":-1.000000}}\n'
    assert second.end(Piece([6], [" b"], None), ending(" b", index=1)) == (
        '{"index":1,"token":{"id":6,"text":" b","log_prob":null},"generated_text":" b"}\n'
    )
    prompts = (Prompt("x", (1,)), Prompt("y", (3,)))
    assert '{"index":1,' in response("jsonlines", prompts=prompts, listed=True).writer(1).line(5, "a", None)


def test_golden_bytes_as_events() -> None:
    output = response("sse", n=2)
    assert output.content_type == "text/event-stream"
    assert output.writer(1).line(5, "a", -1.0) == (
        'data: {"index":1,"token":{"id":5,"text":"a","log_prob":-1.000000}}\n\n'
    )
    lines = response("sse").writer(0)
    assert lines.write(Piece([5, 6], ["a", "b"], None)) == (
        'data: {"token":{"id":5,"text":"a","log_prob":null}}\n\n'
        'data: {"token":{"id":6,"text":"b","log_prob":null}}\n\n'
    )
    assert lines.end(None, ending("ab")) == (
        'data: {"token":{"id":-1,"text":"","log_prob":-1,"special_token":true},"generated_text":"ab"}\n\n'
    )


def test_the_likeliest_of_more_sequences_come_at_the_end() -> None:
    output = response("jsonlines", n=1, sequences=2)
    assert output.keeps_tokens
    endings = [ending("0", score=-2.0), ending(score=-1.0, index=1, logprobs=[-0.5, -0.25, -0.25])]
    data = whole(output, *endings).splitlines()
    assert data[0] == '{"token":{"id":5,"text":"a","log_prob":-0.500000}}'
    assert json.loads(data[-1])["generated_text"] == "a é"
    assert len(data) == 3


def test_golden_bytes_of_an_error_after_text() -> None:
    broken = failed(EngineRestarting("The engine broke."), "hi é")
    last = (
        '{"token":{"id":-1,"text":"","log_prob":-1,"special_token":true},"error":"The engine broke.","code":503,'
        '"error_code":"engine_restarting","retryable":true,"generated_text":"hi é",'
        '"details":{"finish_reason":"error","generated_tokens":3}}\n'
    )
    assert writer().end(None, broken) == last
    assert (
        writer().end(Piece([5], ["é"], None), broken)
        == '{"token":{"id":5,"text":"é","log_prob":null}}\n' + last
    )
    detailed = json.loads(writer(details=True).end(None, broken))
    assert detailed["details"] == {"finish_reason": "error", "generated_tokens": 3, "inputs": PROMPT}


def test_an_ending_without_a_token_has_a_line_of_its_own() -> None:
    for piece in (None, Piece([], [], None)):
        assert writer().end(piece, ending("hi é")) == (
            '{"token":{"id":-1,"text":"","log_prob":-1,"special_token":true},"generated_text":"hi é"}\n'
        )


@pytest.mark.parametrize("reason", list(FinishReason))
def test_the_reason_is_told_as_it_happened(reason: FinishReason) -> None:
    last = json.loads(writer(details=True).end(Piece([5], ["x"], None), ending(reason=reason)))
    assert last["details"]["finish_reason"] == reason.value


def test_a_cancelled_answer_says_so_unasked() -> None:
    last = json.loads(writer().end(Piece([5], ["x"], None), ending(reason=FinishReason.CANCELLED)))
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
    lines = writer(details=details)
    given_tokens = [t for p in (*pieces, last or []) for t in p]

    def piece(tokens: list[tuple[int, str, float]]) -> Piece:
        columns = [list(column) for column in zip(*tokens, strict=True)] or [[], [], []]
        return Piece(columns[0], columns[1], columns[2] if with_logprobs else None)

    text = "".join(text for _, text, _ in given_tokens)
    error = None if message is None else EngineRestarting(message)
    closing = ending(text, reason, prompt=Prompt(prompt), error=error)
    data = "".join([lines.write(piece(p)) for p in pieces])
    data += lines.end(None if last is None else piece(last), closing)
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
