"""What the loop leaves in the meter is what its clients got."""

import time

import pytest

from djl_trtllm.rolling_batch import loop
from djl_trtllm.rolling_batch.loop import STEP_SECONDS
from djl_trtllm.telemetry.meter import Meter
from tests.support.loop import rig, tokenizer
from tests.support.toy_engine import ToyEngine, toy_limits

NEVER = 1e9


def toy(**kw) -> ToyEngine:
    return ToyEngine(limits=toy_limits(vocab_size=tokenizer().vocab_size), **kw)


def ask(prompt: str, stream: bool = True, **parameters) -> dict:
    return {"inputs": prompt, "parameters": {"details": True, **parameters}, "stream": stream}


def meter_of(r) -> Meter:
    return r.loop._meter


def prompt_tokens(*prompts: str) -> int:
    return sum(len(tokenizer().encode(prompt)) for prompt in prompts)


@pytest.mark.parametrize("every", [0.0, NEVER], ids=["in every step", "at the end"])
@pytest.mark.parametrize("stream", [True, False])
def test_tokens_and_gaps_are_those_of_the_answers(every, stream, monkeypatch):
    monkeypatch.setattr(loop, "METER_SECONDS", every)
    prompts = [f"the quick fox {i}" for i in range(7)]
    with rig(toy()) as r:
        for i, prompt in enumerate(prompts):
            r.java.send(ask(prompt, stream, max_new_tokens=4 + i))
        r.java.run()
        meter = meter_of(r)
        generated = sum(4 + i for i in range(7))
        assert meter.generated == generated
        assert meter.prompted == prompt_tokens(*prompts)
        assert meter.first_token.count == 7
        assert meter.between_tokens.count == generated - 7
        assert meter.total.count == meter.queue.count == 7
        assert meter.reasons == {"length": 7}
        assert meter.step.count == r.java.steps
        assert meter.first_token.sum <= meter.total.sum


@pytest.mark.parametrize("delay", [0.0, 0.002])
def test_gaps_of_one_stream_after_another_are_within_their_time(delay):
    with rig(toy(step_delay=delay)) as r:
        for i in range(4):
            time.sleep(0.2)  # nobody waits for tokens meanwhile
            r.java.run([r.java.send(ask(f"the fox {i}", max_new_tokens=6))])
        meter = meter_of(r)
        assert meter.between_tokens.count == 4 * 5
        assert meter.between_tokens.sum + meter.first_token.sum <= meter.total.sum + 4 * STEP_SECONDS


def test_several_sequences_have_a_first_token_each_and_one_prompt():
    with rig(toy()) as r:
        r.java.send(ask("the fox", False, n=3, do_sample=True, max_new_tokens=5))
        r.java.run()
        meter = meter_of(r)
        assert meter.generated == 15
        assert meter.prompted == prompt_tokens("the fox")
        assert (meter.first_token.count, meter.between_tokens.count) == (3, 12)
        assert meter.total.count == 1


def test_a_stop_ends_a_request_well_and_its_cancellation_is_no_token():
    with rig(toy(threaded=False)) as r:
        client = r.java.send(ask("the quick brown fox", max_new_tokens=40))
        while not client.done:
            r.engine.step()
            r.java.step()
        letter = next(c for c in client.lines[-1]["generated_text"] if c.isalpha())
        meter = meter_of(r)
        before = meter.between_tokens.count
        stopped = r.java.send(ask("the quick brown fox", max_new_tokens=40, stop=[letter]))
        fed = 0
        while not stopped.done:
            r.engine.step()
            fed += 1
            r.java.step()
        r.java.send(ask("dog", max_new_tokens=2))
        for _ in range(4):
            r.engine.step()
            r.java.step()
        assert meter.reasons == {"length": 2, "stop_sequence": 1}
        # The first of these steps had nothing to run yet, the second one gave the first token.
        assert meter.between_tokens.count == before + (fed - 2) + 1


def test_refusals_are_counted_by_code_and_not_as_tokens():
    with rig(toy()) as r:
        for body in (b"{", ask(""), ask("x", temperature="hot"), ask("word " * 3000)):
            r.java.send(body)
        r.java.run()
        meter = meter_of(r)
        assert meter.codes == {"invalid_request": 4}
        assert (meter.total.count, meter.queue.count, meter.prompted, meter.generated) == (4, 0, 0, 0)
        assert meter.reasons == {}


def test_an_engine_that_breaks_after_text_is_an_error_and_keeps_the_tokens(monkeypatch):
    monkeypatch.setattr(loop, "METER_SECONDS", 0.0)
    with rig(toy(threaded=False)) as r:
        client = r.java.send(ask("the fox", max_new_tokens=50))
        for _ in range(6):
            r.engine.step()
            r.java.step()
        meter = meter_of(r)
        generated = meter.generated
        assert generated >= 5
        r.engine.die()
        r.java.run([client])
        assert sum(meter.codes.values()) == 1
        assert meter.generated >= generated
        assert meter.reasons == {}


def test_voided_requests_are_cancelled_ones():
    with rig(toy(threaded=False)) as r:
        for prompt in ("the fox", "the dog"):
            r.java.send(ask(prompt, max_new_tokens=50))
        r.engine.step()
        r.java.step()
        r.java.fail()
        r.java.send(ask("again", max_new_tokens=1))
        r.java.step()
        assert meter_of(r).cancelled == 2


def test_who_is_prepared_aside_is_not_with_the_engine_yet():
    with rig(toy()) as r:
        assert r.loop.preparing == 0
        big = r.java.send(ask("word " * 1700, max_new_tokens=1))
        r.java.run([big])
        assert r.loop.preparing == 0
