"""The rules of the rolling batch, each seen from DJL's side of the wire."""

import gc
import logging
import threading
import time

import pytest

from djl_trtllm.errors import EngineRestarting, GenerationFailed
from djl_trtllm.formats.custom import CustomFormatter
from djl_trtllm.rolling_batch.inbox import QueueInbox
from djl_trtllm.rolling_batch.live_sequence import LiveSequence
from djl_trtllm.rolling_batch.loop import BURST_SECONDS, STEP_SECONDS
from djl_trtllm.rolling_batch.slot import Slot
from tests.support.loop import rig, tokenizer
from tests.support.toy_engine import ToyEngine, toy_limits


def toy(**kw) -> ToyEngine:
    return ToyEngine(limits=toy_limits(vocab_size=tokenizer().vocab_size), **kw)


def ask(prompt: str, stream: bool = True, **parameters) -> dict:
    return {"inputs": prompt, "parameters": parameters, "stream": stream}


def test_a_stream_says_each_token_and_ends_with_the_whole_text():
    with rig() as r:
        client = r.java.send(ask("the fox", max_new_tokens=12, details=True))
        r.java.run()
    lines = client.lines
    assert len(lines) == 12
    assert "".join(line["token"]["text"] for line in lines) == lines[-1]["generated_text"]
    assert lines[-1]["details"]["finish_reason"] == "length"
    assert client.response_headers["Content-Type"] == "application/jsonlines"


def test_requests_come_and_go_and_each_keeps_its_own_bytes():
    prompts = [f"the lazy dog number {i}" for i in range(24)]
    alone = {}
    for prompt in prompts:
        with rig() as r:
            client = r.java.send(ask(prompt, max_new_tokens=5 + len(prompt) % 7))
            r.java.run()
            alone[prompt] = client.text
    with rig(toy(step_delay=0.001)) as r:
        clients = {}
        for i, prompt in enumerate(prompts):
            clients[prompt] = r.java.send(ask(prompt, max_new_tokens=5 + len(prompt) % 7))
            if i % 3 == 0:
                r.java.step()
        r.java.run(clients.values())
    assert {prompt: client.text for prompt, client in clients.items()} == alone


def test_bad_requests_cost_the_good_ones_nothing():
    good = [ask(f"dog {i}", max_new_tokens=8) for i in range(16)]
    with rig() as r:
        clean = [r.java.send(body) for body in good]
        r.java.run()
    bad = [
        b"{not json",
        b"",
        {"parameters": {}},
        ask(""),
        ask("x", temperature="hot", top_p=7, max_new_tokens=-1),
        ask("word " * 3000),
        {"inputs": 5},
    ]
    with rig() as r:
        mixed, refused = [], []
        for i, body in enumerate(good):
            mixed.append(r.java.send(body))
            if i < len(bad):
                refused.append(r.java.send(bad[i]))
        r.java.run()
    assert [c.text for c in mixed] == [c.text for c in clean]
    assert [c.code for c in refused] == [400] * len(bad)
    assert all(c.error.isascii() and "\n" not in c.error and len(c.error) <= 300 for c in refused)
    assert all(c.response_headers["Content-Type"] == "application/json" for c in refused)


def test_over_long_input_names_both_numbers():
    engine = ToyEngine(limits=toy_limits(vocab_size=tokenizer().vocab_size, max_input_len=10))
    with rig(engine) as r:
        client = r.java.send(ask("the quick brown fox jumps over the lazy dog and the quick dog too"))
        big = r.java.send(ask("word " * 100_000))
        r.java.run()
    tokens = len(tokenizer().encode("the quick brown fox jumps over the lazy dog and the quick dog too"))
    assert client.code == big.code == 400
    assert f"{tokens} tokens" in client.error
    assert "10" in client.error
    assert "at least" in big.error


def test_truncate_keeps_the_end_of_the_prompt():
    prompt = "the quick brown fox jumps over the lazy dog"
    tail = tokenizer().decode(tokenizer().encode(prompt)[-4:])
    with rig() as r:
        cut = r.java.send(ask(prompt, truncate=4, max_new_tokens=6))
        same = r.java.send(ask(tail, max_new_tokens=6))
        r.java.run()
    assert cut.text == same.text


def test_output_is_clamped_to_the_context_left():
    engine = ToyEngine(limits=toy_limits(vocab_size=tokenizer().vocab_size, max_sequence_len=20))
    with rig(engine) as r:
        client = r.java.send(ask("the fox", max_new_tokens=100, details=True))
        r.java.run()
    assert client.lines[-1]["details"]["generated_tokens"] == 20 - len(tokenizer().encode("the fox"))


def test_a_reset_voids_earlier_requests_and_serves_the_new_ones():
    engine = toy(step_delay=0.002)
    with rig(engine) as r:
        for i in range(5):
            r.java.send(ask(f"old {i}", max_new_tokens=400))
        r.java.step()
        r.java.fail()
        fresh = r.java.send(ask("new", max_new_tokens=4))
        r.java.run([fresh])
        assert len(fresh.lines) == 4
        deadline = time.monotonic() + 5
        while engine.stats().running and time.monotonic() < deadline:
            time.sleep(0.01)
        assert engine.stats().running == 0, "voided requests must leave the engine"


def test_losing_track_answers_everybody_instead_of_mixing_them_up():
    with rig(toy(step_delay=0.01)) as r:
        first, second = r.java.send(ask("a", max_new_tokens=50)), r.java.send(ask("b", max_new_tokens=50))
        r.java.step()
        r.java.listed.remove(first)
        second.chunks.clear()
        r.java.run([second])
    assert second.code == 500


def test_a_step_without_news_takes_its_time_and_one_with_news_does_not():
    engine = toy()
    engine.pause()
    with rig(engine) as r:
        client = r.java.send(ask("slow", max_new_tokens=3))
        r.java.step()
        start = time.monotonic()
        r.java.step()
        assert 0.08 < time.monotonic() - start < 0.5
        threading.Timer(0.02, engine.resume).start()
        r.java.run()
        assert time.monotonic() - start < 5
    assert len(client.lines) == 3


def test_stop_strings_end_the_stream_and_the_engine():
    engine = toy(step_delay=0.002)
    with rig(engine) as r:
        full = r.java.send(ask("fox", stream=False, max_new_tokens=60))
        r.java.run()
        text = full.lines[0]["generated_text"]
        stop = text[10:13]
        at = text.index(stop)
        whole = r.java.send(ask("fox", stream=False, max_new_tokens=60, stop=[stop], details=True))
        streamed = r.java.send(ask("fox", max_new_tokens=60, stop=[stop], details=True))
        r.java.run()
    assert whole.lines[0]["generated_text"] == text[:at]
    assert whole.lines[0]["details"]["finish_reason"] == "stop_sequence"
    lines = streamed.lines
    assert "".join(line["token"]["text"] for line in lines) == text[:at] == lines[-1]["generated_text"]
    assert lines[-1]["details"]["generated_tokens"] == len(lines)


def test_a_stopped_or_voided_request_leaves_the_engine_in_the_step_that_says_so():
    engine = toy(threaded=False)
    with rig(engine) as r:

        def until_done(client) -> None:
            r.java.step()
            while not client.done:
                engine.step()
                r.java.step()

        whole = r.java.send(ask("fox", max_new_tokens=60))
        until_done(whole)
        other = r.java.send(ask("dog", max_new_tokens=60))
        until_done(
            r.java.send(ask("fox", max_new_tokens=60, stop=[whole.lines[-1]["generated_text"][10:13]]))
        )
        assert engine.stats().running == 1
        r.java.listed.remove(other)
        r.java.reset = True
        r.java.send(b"{not json")
        r.java.step()
        assert engine.stats().running == 0


@pytest.mark.parametrize("stream", [True, False])
def test_an_engine_error_before_the_first_text_is_a_code(stream):
    engine = toy(fail=lambda request: GenerationFailed("The engine gave this request up."))
    with rig(engine) as r:
        client = r.java.send(ask("fox", stream=stream))
        r.java.run()
    assert (client.code, client.error) == (500, "The engine gave this request up.")


def test_an_engine_error_after_the_first_text_ends_the_stream_in_its_format():
    engine = toy(step_delay=0.01)
    with rig(engine) as r:
        client = r.java.send(ask("fox", max_new_tokens=500))
        while not client.chunks:
            r.java.step()
        engine.die()
        r.java.run()
    assert client.code is None
    assert client.lines[-1]["details"]["finish_reason"] == "error"


def test_a_dead_engine_refuses_with_a_retryable_code():
    engine = toy()
    with rig(engine) as r:
        engine.die()
        client = r.java.send(ask("fox"))
        r.java.run()
    assert client.code == EngineRestarting.status
    assert client.response_headers["Retry-After"] == str(EngineRestarting.retry_after)


def test_large_bodies_are_prepared_beside_the_loop():
    engine = ToyEngine(limits=toy_limits(vocab_size=400, max_input_len=100_000, max_sequence_len=200_000))
    with rig(engine) as r:
        small = r.java.send(ask("fox", max_new_tokens=20))
        large = r.java.send(ask("the lazy dog " * 5000, max_new_tokens=4))
        broken = r.java.send(b"{" + b" " * 20_000)
        r.java.run()
    assert len(small.lines) == 20
    assert len(large.lines) == 4
    assert broken.code == 400


def test_long_items_are_cut_to_what_the_wire_carries():
    with rig(item_chars=50) as r:
        client = r.java.send(ask("fox", stream=False, max_new_tokens=100))
        r.java.run()
    assert len(client.chunks) > 2
    assert all(len(chunk) <= 50 for chunk in client.chunks)
    assert client.lines[0]["generated_text"]


def test_lmi_error_codes():
    with rig(error_codes="lmi") as r:
        client = r.java.send(b"{")
        r.java.run()
    assert client.code == 424


def test_close_leaves_nothing_running():
    engine = toy(step_delay=0.01)
    with rig(engine) as r:
        r.java.send(ask("fox", max_new_tokens=500))
        r.java.step()
        r.loop.close()
        assert engine.stats().running == engine.stats().waiting == 0


def test_the_log_has_every_ended_request_once_none_is_left(caplog):
    with caplog.at_level(logging.INFO, "djl_trtllm.telemetry.requests"), rig() as r:
        for tokens in range(1, 9):
            r.java.send(ask("the fox", max_new_tokens=tokens))
        r.java.run()
        assert "".join(caplog.messages).count('"reason":"length","status":200,') == 8
        assert len(caplog.messages) < 8


def test_what_an_ended_request_held_is_free_at_once():
    def kept() -> int:
        return sum(type(one) in (Slot, LiveSequence) for one in gc.get_objects())

    with rig() as r:
        r.java.send(ask("the fox", max_new_tokens=4))
        r.java.run()
        gc.collect()
        gc.disable()
        try:
            before = kept()
            r.java.send(ask("the fox", max_new_tokens=4))
            r.java.send({"inputs": ["one", "two"], "parameters": {"max_new_tokens": 4, "stop": ["x"]}})
            r.java.send(b"{not json")
            r.java.run()
            assert kept() == before
        finally:
            gc.enable()


def test_a_list_of_prompts_is_answered_as_a_list():
    prompts = ["the fox", "the lazy dog", "größer"]
    with rig() as r:
        alone = [r.java.send(ask(p, stream=False, max_new_tokens=7)) for p in prompts]
        listed = r.java.send({"inputs": prompts, "parameters": {"max_new_tokens": 7}})
        r.java.run()
    assert listed.lines == [[client.lines[0] for client in alone]]


def test_n_sequences_are_seeded_one_after_the_other():
    sampled = {"do_sample": True, "max_new_tokens": 9}
    with rig() as r:
        one = [r.java.send(ask("fox", stream=False, seed=5 + i, **sampled)) for i in range(3)]
        together = r.java.send(ask("fox", stream=False, seed=5, n=3, **sampled))
        r.java.run()
    alone = [answer.lines[0] for answer in one]
    (best,) = together.lines
    others = best["details"]["best_of_sequences"]
    assert sorted(s["generated_text"] for s in (best, *others)) == sorted(s["generated_text"] for s in alone)
    scores = [
        sum(t["log_prob"] for t in tokens)
        for tokens in (best["details"]["tokens"], *(s["tokens"] for s in others))
    ]
    assert scores == sorted(scores, reverse=True)


def test_more_sequences_than_run_at_once_are_refused():
    with rig(ToyEngine(limits=toy_limits(vocab_size=tokenizer().vocab_size, max_batch_size=4))) as r:
        client = r.java.send({"inputs": ["a", "b", "c"], "parameters": {"n": 2, "do_sample": True}})
        r.java.run()
    assert client.code == 400
    assert "6" in client.error
    assert "4 (set by max_rolling_batch_size)" in client.error


def test_a_failing_sequence_ends_the_others_of_its_request():
    first: list[int] = []

    def fail(request):
        first.append(request.id)
        return GenerationFailed("The engine gave this request up.") if request.id == first[0] else None

    engine = toy(fail=fail, step_delay=0.01)
    with rig(engine) as r:
        client = r.java.send(ask("fox", n=3, do_sample=True, stream=False, max_new_tokens=500))
        r.java.run()
        assert client.code == 500
        deadline = time.monotonic() + 5
        while engine.stats().running and time.monotonic() < deadline:
            time.sleep(0.01)
        assert engine.stats().running == 0


def test_what_was_changed_in_a_request_is_said_in_a_header():
    with rig() as r:
        client = r.java.send(ask("fox", max_new_tokens=10**9, temperatur=1))
        r.java.run()
    said = client.response_headers["X-Request-Warnings"]
    assert "lowered to 512 (set by max_output_len)" in said
    assert "temperatur" in said
    assert len(client.lines) == 512


class Broken:
    """A model author's formatter that fails at its nth call."""

    def __init__(self, good: int) -> None:
        self.good = good

    def __call__(self, output) -> str:
        self.good -= 1
        if self.good < 0:
            raise KeyError("some text of the client's")
        return "."


@pytest.mark.parametrize("good", [0, 2])
def test_an_answer_that_cannot_be_written_ends_alone_and_leaves_the_engine(good, caplog):
    engine = toy(step_delay=0.01)
    formatter = CustomFormatter(Broken(good), "text/x", "model.py:f")
    with rig(engine, formatter=formatter, output_formatter="model.py:f") as r:
        bad = r.java.send(ask("fox", max_new_tokens=400))
        good_one = r.java.send(ask("fox", max_new_tokens=5, output_formatter="jsonlines"))
        r.java.run()
        deadline = time.monotonic() + 5
        while engine.stats().running and time.monotonic() < deadline:
            time.sleep(0.01)
        assert engine.stats().running == 0
    assert len(good_one.lines) == 5
    if good:
        first, last = bad.text.split("{", 1)
        assert first == "." * good
        assert "raised KeyError" in last
    else:
        assert (bad.code, bad.error) == (500, "The output formatter of this model raised KeyError.")
    assert "some text" not in caplog.text + bad.text


def test_a_step_with_new_requests_waits_briefly_as_others_of_a_burst_may_wait_for_it(monkeypatch):
    waits: list[float] = []
    with rig() as r:
        with monkeypatch.context() as quiet:
            quiet.setattr(QueueInbox, "drain", lambda _inbox: [])
            quiet.setattr(QueueInbox, "wait", lambda _inbox, seconds: waits.append(seconds) or [])
            first = r.java.send(ask("the fox", max_new_tokens=4))
            r.java.step()
            second = r.java.send(ask("the dog", max_new_tokens=4))
            r.java.step()
            r.java.step()
        r.java.run()
    assert waits == [BURST_SECONDS, BURST_SECONDS, STEP_SECONDS]
    assert first.text
    assert second.text
