"""Who is let in, when, and who waits for whom."""

import threading
import time

import pytest

from djl_trtllm.core import Features, Guide, GuideKind
from djl_trtllm.errors import Busy, InvalidRequest
from tests.support.loop import rig, tokenizer
from tests.support.toy_engine import ToyEngine, toy_limits

GUIDED = Features(guides=frozenset(GuideKind))
LARGE = "the lazy dog " * 1000


def toy(features: Features = GUIDED, **limits: int) -> ToyEngine:
    made = toy_limits(
        **{
            "vocab_size": tokenizer().vocab_size,
            "max_input_len": 10_000,
            "max_sequence_len": 20_000,
            **limits,
        }
    )
    return ToyEngine(limits=made, features=features)


def ask(prompt: object, **parameters) -> dict:
    return {"inputs": prompt, "parameters": {"max_new_tokens": 4, **parameters}, "stream": True}


class SlowCheck:
    """Stands before an engine's check until it is let go; notes the guides."""

    def __init__(self, engine: ToyEngine, error: Exception | None = None) -> None:
        self.go = threading.Event()
        self.seen: list[Guide] = []
        self._error = error
        engine.check = self

    def __call__(self, guide: Guide) -> None:
        self.seen.append(guide)
        assert self.go.wait(10)
        if self._error is not None:
            raise self._error


def test_nobody_waits_for_a_guide_but_guided_requests():
    engine = toy()
    check = SlowCheck(engine)
    with rig(engine) as r:
        guided = [r.java.send(ask("fox", guided_regex="a+")) for _ in range(5)]
        plain, large = r.java.send(ask("fox")), r.java.send(ask(LARGE))
        r.java.run([plain, large])
        assert len(plain.lines) == len(large.lines) == 4
        assert not any(client.chunks for client in guided)
        check.go.set()
        r.java.run()
    assert all(len(client.lines) == 4 for client in guided)
    assert check.seen == [Guide(GuideKind.REGEX, "a+")] * 5


def test_a_guide_in_a_large_body_is_checked_too():
    engine = toy()
    check = SlowCheck(engine)
    check.go.set()
    with rig(engine) as r:
        client = r.java.send(ask(LARGE, guided_regex="a+"))
        r.java.run()
    assert len(client.lines) == 4
    assert len(check.seen) == 1


def test_a_refused_guide_is_the_clients_alone():
    engine = toy()
    SlowCheck(engine, InvalidRequest("The regular expression is wrong.")).go.set()
    with rig(engine) as r:
        bad, good = r.java.send(ask("fox", guided_regex="a+")), r.java.send(ask("fox"))
        r.java.run()
    assert (bad.code, bad.error) == (400, "The regular expression is wrong.")
    assert len(good.lines) == 4


def test_a_reset_while_a_guide_is_checked_leaves_nothing_running():
    engine = toy()
    check = SlowCheck(engine)
    with rig(engine) as r:
        r.java.send(ask("fox", guided_regex="a+"))
        r.java.step()
        r.java.fail()
        fresh = r.java.send(ask("fox"))
        r.java.run([fresh])
        check.go.set()
        time.sleep(0.1)
        assert engine.stats().running == engine.stats().waiting == 0


@pytest.mark.parametrize("large", [False, True])
def test_prompts_that_wait_have_a_limit(large):
    engine = toy(max_batch_size=8)
    engine.pause()
    prompt = LARGE if large else "the fox"
    size = len(tokenizer().encode(prompt))
    with rig(engine, queue_max_tokens=str(2 * size)) as r:
        first = [r.java.send(ask(prompt)) for _ in range(2)]
        until_waiting(r, engine, 2)
        refused = r.java.send(ask(prompt))
        r.java.run([refused])
        assert refused.code == Busy.status
        assert f"{2 * size} tokens are waiting" in refused.error
        assert refused.response_headers["Retry-After"] == str(Busy.retry_after)
        engine.resume()
        r.java.run(first)
        late = r.java.send(ask(prompt))
        r.java.run([late])
    assert all(len(client.lines) == 4 for client in (*first, late))


def test_a_prompt_over_the_queues_limit_gets_in_when_nobody_waits():
    with rig(toy(), queue_max_tokens="2") as r:
        client = r.java.send(ask("the quick brown fox jumps"))
        r.java.run()
    assert len(client.lines) == 4


def until_waiting(r, engine: ToyEngine, count: int) -> None:
    deadline = time.monotonic() + 10
    while engine.stats().waiting < count:
        assert time.monotonic() < deadline
        r.java.step()
