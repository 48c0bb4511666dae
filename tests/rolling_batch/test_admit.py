"""From an arrival's bytes to an admitted request."""

import json

import pytest

from djl_trtllm.errors import BodyTooLarge, InvalidRequest
from djl_trtllm.rolling_batch.admit import Arrival
from djl_trtllm.rolling_batch.slot import Slot
from tests.support.loop import rig, tokenizer
from tests.support.toy_engine import ToyEngine, toy_limits

PROMPT = "the quick brown fox jumps over the lazy dog"
IDS = tokenizer().encode(PROMPT)


def admit(body: object, *, limits=None, **options: str):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    engine = ToyEngine(limits=toy_limits(vocab_size=tokenizer().vocab_size, **(limits or {})))
    with rig(engine, **options) as r:
        return r.loop._admission.prepare(Slot(1), Arrival(raw, {"content-type": "application/json"}))


def test_the_prompt_is_tokenised():
    assert list(admit({"inputs": PROMPT}).prompt_ids) == IDS


@pytest.mark.parametrize(("mode", "expected"), [("truncate_left", IDS[-5:]), ("truncate_right", IDS[:5])])
def test_long_input_is_cut_where_the_option_says_so(mode, expected):
    assert (
        list(admit({"inputs": PROMPT}, limits={"max_input_len": 5}, on_long_input=mode).prompt_ids)
        == expected
    )


def test_long_input_is_refused_by_default_with_both_numbers_and_the_option():
    with pytest.raises(InvalidRequest, match=rf"{len(IDS)} tokens, the limit is 5 \(set by max_input_len\)"):
        admit({"inputs": PROMPT}, limits={"max_input_len": 5})


def test_a_requests_own_truncate_wins_and_never_exceeds_the_limit():
    body = {"inputs": PROMPT, "parameters": {"truncate": 7}}
    assert list(admit(body).prompt_ids) == IDS[-7:]
    assert (
        list(admit(body, limits={"max_input_len": 5}, on_long_input="truncate_right").prompt_ids) == IDS[-5:]
    )


def test_a_prompt_that_fills_the_context_is_refused():
    with pytest.raises(InvalidRequest, match="leaves no room for output"):
        admit({"inputs": PROMPT}, limits={"max_sequence_len": len(IDS)})


def test_minimum_and_maximum_shrink_together():
    body = {"inputs": PROMPT, "parameters": {"max_new_tokens": 100, "min_new_tokens": 50}}
    sampling = admit(body, limits={"max_sequence_len": len(IDS) + 10}).sampling
    assert (sampling.max_new_tokens, sampling.min_new_tokens) == (10, 10)


def test_a_body_over_20_mb_is_refused():
    with pytest.raises(BodyTooLarge):
        admit(b'{"inputs": "' + b"x" * (20 * 1024 * 1024) + b'"}')


def test_unknown_parameters_are_noted_in_the_log(caplog):
    with caplog.at_level("WARNING", "djl_trtllm"):
        admit({"inputs": PROMPT, "parameters": {"temperatur": 0.5}})
    assert "temperatur" in caplog.text
    assert PROMPT not in caplog.text
