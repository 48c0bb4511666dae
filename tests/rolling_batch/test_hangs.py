"""An engine that hangs, a thread that dies: everybody hears of it, and what comes next is served."""

import threading
import time
from collections.abc import Callable

import pytest

from djl_trtllm.core import Features, GuideKind
from djl_trtllm.engines.supervisor import Supervisor
from djl_trtllm.errors import LoadError
from tests.support.java_side import JavaSide
from tests.support.loop import Rig, rig, tokenizer
from tests.support.toy_engine import ToyEngine, toy_limits

LARGE = "the lazy dog " * 1000
LIMIT = 1
LATER = 30
"""Seconds that a loaded machine may add."""


class Made:
    """The engines that a supervisor had made; the n-th is as `plan(n)` says."""

    def __init__(self, plan: Callable[[int, ToyEngine], None] = lambda n, engine: None, **settings) -> None:
        self.engines: list[ToyEngine] = []
        self._plan = plan
        self.supervisor = Supervisor(self._make, delay=0.01, **settings)

    def _make(self) -> ToyEngine:
        limits = toy_limits(vocab_size=tokenizer().vocab_size, max_input_len=10_000, max_sequence_len=20_000)
        made = ToyEngine(limits=limits, features=Features(guides=frozenset(GuideKind)), step_delay=0.001)
        self.engines.append(made)
        self._plan(len(self.engines), made)
        return made


def ask(prompt: str, new: int = 4, **parameters) -> dict:
    return {"inputs": prompt, "parameters": {"max_new_tokens": new, **parameters}, "stream": True}


def until(java: JavaSide, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + LATER
    while not done():
        assert time.monotonic() < deadline
        java.step()


def hang(r: Rig, made: Made, streaming: int = 3) -> list:
    """Requests that stream, and others that have no token yet, in an engine that stands still then."""
    begun = [r.java.send(ask(f"dog {i}", 400)) for i in range(streaming)]
    until(r.java, lambda: all(client.chunks for client in begun))
    made.engines[-1].pause()
    return begun + [r.java.send(ask(f"fox {i}")) for i in range(3)]


def test_everybody_in_a_hung_engine_is_told_and_the_next_one_serves(capfd, caplog):
    made = Made()
    with rig(made.supervisor, stall_timeout=str(LIMIT)) as r:
        clients = hang(r, made)
        r.java.step()
        begun = time.monotonic()
        r.java.run(clients)
        assert time.monotonic() - begun >= LIMIT / 2
        streaming, waiting = clients[:3], clients[3:]
        assert all(client.lines[-1]["details"]["finish_reason"] == "error" for client in streaming)
        assert [client.code for client in waiting] == [503] * 3
        assert all(client.response_headers["Retry-After"] for client in waiting)
        after = r.java.send(ask("the fox"))
        r.java.run([after])
        assert len(after.lines) == 4
    assert len(made.engines) == 2
    assert made.engines[0].halted
    assert "stall_timeout" in caplog.text
    assert "test_everybody_in_a_hung_engine_is_told" in capfd.readouterr().err, "this thread's stack"


def test_what_comes_while_it_hangs_and_is_refused_hides_nothing():
    made = Made()
    with rig(made.supervisor, stall_timeout=str(LIMIT)) as r:
        clients = hang(r, made)

        def told() -> bool:
            refused = r.java.send(ask("", top_p=7))
            r.java.step()
            assert refused.code == 400
            return all(client.done for client in clients)

        until(r.java, told)


def test_one_that_waits_while_others_run_has_not_stalled():
    made = Made(lambda n, engine: setattr(engine, "limits", toy_limits(vocab_size=400, max_batch_size=1)))
    with rig(made.supervisor, stall_timeout=str(LIMIT)) as r:
        made.engines[0].step_delay = 0.01
        first, second = r.java.send(ask("dog", 250)), r.java.send(ask("fox"))
        r.java.run()
    assert len(first.lines) == 250
    assert len(second.lines) == 4
    assert len(made.engines) == 1


def test_without_a_limit_it_may_hang():
    made = Made()
    with rig(made.supervisor, stall_timeout="0") as r:
        clients = hang(r, made)
        for _ in range(15):
            r.java.step()
        made.engines[0].resume()
        r.java.run(clients)
    assert len(made.engines) == 1
    assert all(client.code is None for client in clients)


def test_only_what_cannot_be_reopened_is_the_end():
    def plan(n: int, engine: ToyEngine) -> None:
        engine.fail_open = LoadError("No memory.") if n > 1 else None

    made = Made(plan, max_failures=2)
    with rig(made.supervisor, stall_timeout=str(LIMIT)) as r:
        clients = hang(r, made)
        r.java.run(clients)
        until(r.java, lambda: r.loop.over)
        assert r.java.send(ask("dog")) is not None
        r.java.run()
    assert "2 times in a row" in made.supervisor.lost


def test_who_comes_while_another_is_opened_waits_for_it_and_counts_as_no_stall():
    go = threading.Event()

    def plan(n: int, engine: ToyEngine) -> None:
        if n > 1:
            opened = engine.open
            engine.open = lambda inbox: (go.wait(LATER), opened(inbox))[1]

    made = Made(plan)
    with rig(made.supervisor, stall_timeout=str(LIMIT)) as r:
        hung = hang(r, made)
        r.java.run(hung)
        client = r.java.send(ask("the fox"))
        for _ in range(15):
            r.java.step()
        assert not client.done
        go.set()
        r.java.run([client])
        assert len(client.lines) == 4
    assert len(made.engines) == 2


class Fatal(BaseException):
    """What no thread survives."""


def fails(*_: object) -> None:
    raise Fatal


@pytest.mark.parametrize("method", ["_submit", "_prepared", "_register"])
@pytest.mark.parametrize("body", [ask(LARGE), ask("fox", guided_regex="a+")])
def test_a_preparation_that_dies_costs_its_request_alone_and_at_once(method, body, monkeypatch):
    made = Made()
    with rig(made.supervisor) as r:
        monkeypatch.setattr(r.loop._entrance, method, fails)
        lost = r.java.send(body)
        r.java.run([lost])
        monkeypatch.undo()
        assert lost.code == 500
        after = r.java.send(ask(LARGE))
        r.java.run([after])
        assert len(after.lines) == 4
    assert "Fatal" not in lost.error


@pytest.mark.parametrize("body", [ask("dog"), ask(LARGE), ask("fox", guided_regex="a+")])
def test_an_engine_that_raises_at_a_request_costs_that_request_alone(body, monkeypatch):
    def fails(_: object) -> None:
        raise ZeroDivisionError

    made = Made()
    with rig(made.supervisor) as r:
        running = r.java.send(ask("dog", 300))
        until(r.java, lambda: bool(running.chunks))
        monkeypatch.setattr(made.supervisor, "submit", fails)
        lost = r.java.send(body)
        r.java.run([lost])
        monkeypatch.undo()
        r.java.run()
    assert lost.code == 500
    assert len(running.lines) == 300


def test_no_thread_to_prepare_a_request_costs_that_request_alone(monkeypatch):
    def fails(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    made = Made()
    with rig(made.supervisor) as r:
        running = r.java.send(ask("dog", 300))
        until(r.java, lambda: bool(running.chunks))
        monkeypatch.setattr(threading.Thread, "start", fails)
        lost = [r.java.send(ask(LARGE)), r.java.send(ask("fox", guided_regex="a+"))]
        r.java.run(lost)
        monkeypatch.undo()
        r.java.run()
    assert [client.code for client in lost] == [500, 500]
    assert len(running.lines) == 300


def test_a_thread_that_is_missing_in_the_second_place_costs_that_request_alone(monkeypatch):
    made = Made()
    with rig(made.supervisor) as r:
        monkeypatch.setattr(r.loop._entrance._guided, "submit", fails_to_start)
        lost = r.java.send(ask(LARGE, guided_regex="a+"))
        r.java.run([lost])
    assert lost.code == 500


def fails_to_start(*_: object) -> None:
    raise RuntimeError("can't start new thread")


def test_a_preparation_that_hangs_is_left_behind(monkeypatch, capfd, caplog):
    go, made = threading.Event(), Made()
    with rig(made.supervisor, stall_timeout=str(LIMIT)) as r:
        parse = r.loop._admission.parse
        monkeypatch.setattr(r.loop._admission, "parse", lambda arrival: waiting(arrival, parse, go))
        lost = [r.java.send(ask(LARGE)) for _ in range(3)]
        running = r.java.send(ask("dog", 100))
        r.java.run([*lost, running])
        assert [client.code for client in lost] == [503] * 3
        assert len(running.lines) == 100
        monkeypatch.undo()
        after = r.java.send(ask(LARGE))
        r.java.run([after])
        assert len(after.lines) == 4
        go.set()
        for _ in range(3):
            r.java.step()
        assert made.engines[0].stats().running == 0
    assert len(made.engines) == 1
    assert "The preparation of requests made no progress" in caplog.text
    assert "in waiting" in capfd.readouterr().err, "the stacks of those that hang"


def waiting(arrival, parse, go):
    """Hang on large bodies until it is time to go."""
    if len(arrival.body) > 8192:
        go.wait(LATER)
    return parse(arrival)


def test_the_beats_are_odd_within_a_step():
    made = Made()
    with rig(made.supervisor) as r:
        seen = []
        submit = made.supervisor.submit
        made.supervisor.submit = lambda requests: (seen.append(r.loop.beats), submit(requests))[1]
        r.java.send(ask("dog"))
        r.java.run()
        assert seen
        assert seen[0] % 2 == 1
        assert r.loop.beats % 2 == 0
