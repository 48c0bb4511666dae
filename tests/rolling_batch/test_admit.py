"""From an arrival's bytes to admitted sequences."""

import itertools
import json

import pytest

from djl_trtllm.core import EngineRequest, Features
from djl_trtllm.errors import BodyTooLarge
from djl_trtllm.rolling_batch.admit import Arrival
from djl_trtllm.rolling_batch.slot import Slot
from tests.support.loop import rig, tokenizer
from tests.support.toy_engine import ToyEngine, toy_limits

PROMPT = "the quick brown fox jumps over the lazy dog"
IDS = tokenizer().encode(PROMPT)


def admit_all(
    body: object, *, limits=None, features=None, **options: str
) -> tuple[Slot, list[EngineRequest]]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    made = toy_limits(vocab_size=tokenizer().vocab_size, **(limits or {}))
    engine = ToyEngine(limits=made, features=features or Features())
    with rig(engine, **options) as r:
        admission = r.loop._admission
        slot = Slot(1)
        request = admission.parse(Arrival(raw, {"Content-Type": "application/json"}))
        return slot, list(admission.prepare(slot, request, itertools.count(2)))


def admit(body: object, **more) -> EngineRequest:
    (request,) = admit_all(body, **more)[1]
    return request


def test_the_prompt_is_tokenised():
    assert list(admit({"inputs": PROMPT}).prompt_ids) == IDS


def test_minimum_and_maximum_shrink_together():
    body = {"inputs": PROMPT, "parameters": {"max_new_tokens": 100, "min_new_tokens": 50}}
    slot, (request,) = admit_all(body, limits={"max_sequence_len": len(IDS) + 10})
    assert (request.sampling.max_new_tokens, request.sampling.min_new_tokens) == (10, 10)
    assert slot._warnings == (
        "The 100 new tokens asked for were lowered to 10, what the prompt leaves of the model's context of "
        f"{len(IDS) + 10} tokens (set by config.json).",
    )


def test_a_default_is_lowered_without_a_word():
    slot, (request,) = admit_all({"inputs": PROMPT}, limits={"max_sequence_len": len(IDS) + 10})
    assert request.sampling.max_new_tokens == 10
    assert slot._warnings == ()


def test_a_body_over_20_mb_is_refused():
    with pytest.raises(BodyTooLarge):
        admit(b'{"inputs": "' + b"x" * (20 * 1024 * 1024) + b'"}')


def test_unknown_parameters_are_noted_in_the_log(caplog):
    with caplog.at_level("WARNING", "djl_trtllm"):
        admit({"inputs": PROMPT, "parameters": {"temperatur": 0.5}})
    assert "temperatur" in caplog.text
    assert PROMPT not in caplog.text


def test_each_prompt_has_its_sequences_with_ids_and_seeds_of_their_own():
    body = {"inputs": [PROMPT, "fox"], "parameters": {"n": 3, "do_sample": True, "seed": 2**63 - 2}}
    slot, requests = admit_all(body)
    assert [r.id for r in requests] == [1, 2, 3, 4, 5, 6] == [s.id for s in slot.sequences]
    assert [list(r.prompt_ids) for r in requests] == [IDS] * 3 + [tokenizer().encode("fox")] * 3
    assert [r.sampling.seed for r in requests] == [2**63 - 2, 2**63 - 1, 0, 1, 2, 3]


def test_bad_sequences_become_token_ids():
    body = {"inputs": PROMPT, "parameters": {"bad_sequences": ["fox", "dog"]}}
    words = admit(body, features=Features(bad_words=True)).sampling.bad_words
    assert set(words) == {*tokenizer().words("fox"), *tokenizer().words("dog")}
