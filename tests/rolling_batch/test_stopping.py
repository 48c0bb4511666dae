"""The end of the process: who runs and who comes is told, and the engine lets go."""

from __future__ import annotations

import json
import threading
import time

from djl_trtllm.errors import Stopping
from djl_trtllm.rolling_batch import loop as module
from djl_trtllm.rolling_batch.admit import Arrival
from djl_trtllm.rolling_batch.whole import answer
from tests.support.loop import rig, tokenizer
from tests.support.toy_engine import ToyEngine, toy_limits

BODY = {"inputs": "the fox", "parameters": {"max_new_tokens": 400, "details": True}, "stream": True}
ENDS = Stopping("The server is stopping; send the request again.")


def silent() -> ToyEngine:
    """An engine that gives tokens only when the test steps it."""
    return ToyEngine(limits=toy_limits(vocab_size=tokenizer().vocab_size), threaded=False)


def test_a_step_under_way_tells_everybody_at_once():
    engine = silent()
    with rig(engine) as made:
        begun, fresh = made.java.send(BODY), made.java.send(BODY)
        made.java.listed.pop()
        made.java.step()
        engine.step()
        made.java.step()
        assert begun.chunks
        made.java.listed.append(fresh)
        stopping = threading.Timer(0.02, made.loop.stop, [ENDS])
        stopping.start()
        started = time.monotonic()
        while not begun.done:
            made.java.step()
        assert time.monotonic() - started < 20
        assert begun.lines[-1]["details"]["finish_reason"] == "error"
        assert begun.lines[-1]["error"] == str(ENDS)
        assert (begun.lines[-1]["code"], begun.lines[-1]["retryable"]) == (503, True)
        assert (fresh.code, fresh.error) == (503, str(ENDS))
        assert made.engine.stats().running == 0, "the engine was told"
        stopping.join()


def test_who_comes_meanwhile_is_told_and_the_worker_is_not_lost():
    with rig(silent()) as made:
        made.loop.stop(ENDS)
        late = made.java.send(BODY)
        made.java.step()
        assert (late.code, late.error) == (503, str(ENDS))
        assert not made.loop.over
        assert made.java.send(BODY) in made.java.listed
        made.java.run()


def test_stop_waits_until_requests_are_told_and_for_nobody_where_there_are_none(monkeypatch):
    monkeypatch.setattr(module, "STOP_SECONDS", 60)
    with rig(silent()) as made:
        made.loop.stop(ENDS)
    with rig(silent()) as made:
        client = made.java.send(BODY)
        made.java.step()
        stopping = threading.Thread(target=made.loop.stop, args=[ENDS])
        stopping.start()
        made.java.run()
        stopping.join(20)
        assert not stopping.is_alive()
        assert client.code == 503


def test_stop_does_not_wait_for_steps_that_do_not_come(monkeypatch):
    monkeypatch.setattr(module, "STOP_SECONDS", 0.05)
    with rig(silent()) as made:
        made.java.send(BODY)
        made.java.step()
        made.loop.stop(ENDS)


def test_whole_answers_are_told_too():
    with rig(silent()) as made:
        threading.Timer(0.05, made.loop.stop, [ENDS]).start()
        (told,) = answer(made.loop, [Arrival(json.dumps({**BODY, "stream": False}).encode(), {})])
        assert told.error is ENDS
