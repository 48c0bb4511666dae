"""The supervisor over toy engines that die, fail to open, or take their time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import pytest

from djl_trtllm.core import EngineRequest, FinishReason, Inbox, SamplingParams
from djl_trtllm.engines import supervisor
from djl_trtllm.engines.base import EngineClosedError
from djl_trtllm.engines.supervisor import Supervisor
from djl_trtllm.errors import Busy, EngineRestarting, LoadError, RankError
from tests.support.collector import Collector, eventually
from tests.support.toy_engine import ToyEngine, expected_tokens


class SlowToOpen(ToyEngine):
    """Opens when `gate` is set, unless it is closed first."""

    gate: threading.Event

    def open(self, inbox: Inbox) -> None:
        self.gate.wait(10)
        super().open(inbox)

    def close(self) -> None:
        self.gate.set()
        super().close()


def later_ones_wait_for(gate: threading.Event) -> Callable[[int], ToyEngine]:
    """The engines of a supervisor whose second one, and all after it, open when `gate` is set."""

    def plan(n: int) -> ToyEngine:
        if n == 0:
            return ToyEngine()
        engine = SlowToOpen()
        engine.gate = gate
        return engine

    return plan


@dataclass
class Bench:
    """A supervisor over toy engines; `plan(n)` makes the n-th (from 0)."""

    plan: Callable[[int], ToyEngine]
    settings: dict[str, float] = field(default_factory=dict)
    news: Collector = field(default_factory=Collector)
    made: list[ToyEngine] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=lambda: count(1))
    others: set[threading.Thread] = field(default_factory=lambda: set(threading.enumerate()))

    def __post_init__(self) -> None:
        self.engine = Supervisor(self._make, **{"delay": 0.01, **self.settings})

    def _make(self) -> ToyEngine:
        engine = self.plan(len(self.made))
        self.made.append(engine)
        return engine

    def request(self, new: int = 5, first: int = 300) -> EngineRequest:
        return EngineRequest(next(self.ids), [first, 301], SamplingParams(new, ignore_eos=True))

    def submit(self, *requests: EngineRequest) -> None:
        self.engine.submit(requests)

    def keepers(self) -> list[threading.Thread]:
        """Its keeper while it lives; those of other tests' supervisors may too."""
        return [t for t in threading.enumerate() if t.name == "engine-keeper" and t not in self.others]

    def run(self, request: EngineRequest) -> None:
        self.submit(request)
        self.news.wait_ended([request.id])
        assert self.news.outcome(request) == expected_tokens(request)


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    benches: list[Bench] = []

    def make(
        plan: Callable[[int], ToyEngine] = lambda n: ToyEngine(step_delay=0.001), **settings: float
    ) -> Bench:
        benches.append(Bench(plan, settings))
        return benches[-1]

    yield make
    for each in benches:
        each.engine.close()
        each.news.check()


def test_a_broken_engine_is_replaced_and_serves_again(bench: Callable[..., Bench]) -> None:
    b = bench()
    b.engine.open(b.news)
    for round_ in range(4):
        b.run(b.request())
        running = [b.request(400) for _ in range(16)]
        b.submit(*running)
        b.news.wait_tokens(running[0].id, 2)
        b.made[round_].die()
        b.news.wait_ended(r.id for r in running)
        assert all(isinstance(b.news.error(r.id), EngineRestarting) for r in running)
        b.run(b.request())
    assert len(b.made) == 5
    assert not b.news.deaths


def test_arrivals_wait_for_the_next_engine(bench: Callable[..., Bench]) -> None:
    gate = threading.Event()
    b = bench(later_ones_wait_for(gate), max_held=3)
    b.engine.open(b.news)
    b.run(b.request())
    b.made[0].die()
    eventually(lambda: len(b.made) == 2, "the second engine")
    held = [b.request() for _ in range(5)]
    b.submit(*held)
    assert (b.engine.stats().waiting, b.engine.stats().up) == (3, False)
    assert b.engine.limits == b.made[0].limits
    assert all(isinstance(b.news.error(r.id), Busy) for r in held[3:])
    with pytest.raises(ValueError, match="in flight"):
        b.submit(held[0])
    b.engine.cancel([held[1].id, held[1].id])
    assert b.news.finish(held[1].id) is FinishReason.CANCELLED
    gate.set()
    b.news.wait_ended([held[0].id, held[2].id])
    for request in (held[0], held[2]):
        assert b.news.outcome(request) == expected_tokens(request)


def test_an_engine_that_keeps_breaking_is_given_up(bench: Callable[..., Bench]) -> None:
    b = bench(lambda n: ToyEngine(die_when=lambda request: True), max_failures=3)
    b.engine.open(b.news)
    for _ in range(3):
        request = b.request()
        b.submit(request)
        b.news.wait_ended([request.id])
        assert isinstance(b.news.error(request.id), EngineRestarting)
    b.news.wait_dead()
    assert len(b.made) == 3
    late = b.request()
    b.submit(late)
    assert isinstance(b.news.error(late.id), EngineRestarting)
    b.engine.cancel([late.id])
    assert b.engine.stats().running == 0


def test_finished_work_forgives_earlier_failures(bench: Callable[..., Bench]) -> None:
    b = bench(lambda n: ToyEngine(die_when=lambda r: r.prompt_ids[0] == 399), max_failures=2)
    b.engine.open(b.news)
    for _ in range(6):
        b.run(b.request())
        deadly = b.request(first=399)
        b.submit(deadly)
        b.news.wait_ended([deadly.id])
    b.run(b.request())
    assert not b.news.deaths


def test_failing_to_reopen_counts_and_is_tried_again(bench: Callable[..., Bench]) -> None:
    failure = LoadError("It does not load.")
    b = bench(lambda n: ToyEngine(fail_open=failure if n in (1, 2) else None), max_failures=4)
    b.engine.open(b.news)
    b.made[0].die()
    b.run(b.request())
    assert len(b.made) == 4


def test_giving_up_ends_those_who_wait(bench: Callable[..., Bench]) -> None:
    failure = LoadError("It does not load.")
    b = bench(lambda n: ToyEngine(fail_open=failure if n else None), max_failures=3, delay=0.2)
    b.engine.open(b.news)
    b.made[0].die()
    waiting = b.request()
    b.submit(waiting)
    b.news.wait_dead()
    b.news.wait_ended([waiting.id])
    assert isinstance(b.news.error(waiting.id), EngineRestarting)


def test_the_first_open_is_not_repeated(bench: Callable[..., Bench]) -> None:
    b = bench(lambda n: ToyEngine(fail_open=LoadError("It does not load.")))
    with pytest.raises(LoadError, match="does not load"):
        b.engine.open(b.news)
    assert len(b.made) == 1
    with pytest.raises(EngineClosedError):
        b.submit()


def test_close_while_reopening_ends_at_once(bench: Callable[..., Bench]) -> None:
    def plan(n: int) -> ToyEngine:
        if n == 0:
            return ToyEngine()
        engine = SlowToOpen()
        engine.gate = threading.Event()
        return engine

    b = bench(plan)
    b.engine.open(b.news)
    b.made[0].die()
    eventually(lambda: len(b.made) == 2, "the second engine")
    waiting = b.request()
    b.submit(waiting)
    b.engine.close()
    assert b.news.finish(waiting.id) is FinishReason.CANCELLED
    assert not b.keepers()


def test_close_during_a_pause_does_not_wait_for_it(bench: Callable[..., Bench]) -> None:
    b = bench(lambda n: ToyEngine(fail_open=LoadError("No.") if n else None), delay=60.0, max_delay=60.0)
    b.engine.open(b.news)
    b.made[0].die()
    eventually(lambda: len(b.made) == 2, "the failed attempt")
    b.engine.close()
    assert not b.keepers()
    assert not b.news.deaths


def test_a_lost_rank_is_not_tried_again(bench: Callable[..., Bench]) -> None:
    lost = RankError("Rank 1 did not answer within 5 s.")
    b = bench(lambda n: ToyEngine(fail_open=lost if n else None))
    b.engine.open(b.news)
    b.made[0].die()
    b.news.wait_dead()
    assert len(b.made) == 2


def test_an_abandoned_engine_is_left_alone_and_heard_no_more(bench: Callable[..., Bench]) -> None:
    b = bench()
    b.engine.open(b.news)
    running = b.request(400)
    b.submit(running)
    b.news.wait_tokens(running.id, 2)
    for _ in range(2):
        b.engine.abandon(RankError("Rank 1 failed: out of luck."))
    b.news.wait_dead()
    late = b.request()
    b.submit(late)
    assert isinstance(b.news.error(late.id), EngineRestarting)
    steps = b.made[0].steps
    eventually(lambda: b.made[0].steps > steps + 5, "the engine, which nobody has closed")
    assert not b.news.ended(running.id)
    b.made[0].close()
    assert not b.news.ended(running.id)


def test_an_engine_that_opens_too_late_is_closed_again(bench: Callable[..., Bench]) -> None:
    gate = threading.Event()

    def plan(n: int) -> ToyEngine:
        engine = SlowToOpen() if n else ToyEngine()
        if isinstance(engine, SlowToOpen):
            engine.gate = gate
        return engine

    b = bench(plan)
    b.engine.open(b.news)
    b.made[0].die()
    eventually(lambda: len(b.made) == 2, "the second engine")
    b.engine.abandon(RankError("Rank 1 failed: out of luck."))
    gate.set()
    b.news.wait_dead()
    eventually(lambda: b.made[1]._closed, "its end")
    assert len(b.made) == 2


class Hanging(ToyEngine):
    """Its `close`, and where it is asked for that its `submit`, come back only when `gate` is set."""

    gate: threading.Event
    submit_hangs = False

    def submit(self, requests: Sequence[EngineRequest]) -> None:
        if self.submit_hangs:
            self.gate.wait(60)
        super().submit(requests)

    def close(self) -> None:
        self.gate.wait(60)
        super().close()


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What hangs, hangs until the test is over."""
    made = threading.Event()
    yield made
    made.set()


def hanging_first(gate: threading.Event) -> Callable[[int], ToyEngine]:
    def plan(n: int) -> ToyEngine:
        if n:
            return ToyEngine()
        engine = Hanging()
        engine.gate = gate
        return engine

    return plan


def test_a_hung_engine_is_left_behind_and_replaced(
    bench: Callable[..., Bench], gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "CLOSING", 0.1)
    b = bench(hanging_first(gate))
    b.engine.open(b.news)
    b.run(b.request())
    first = b.made[0]
    first.pause()
    lost, held = b.request(), b.request()
    b.submit(lost)
    began = time.monotonic()
    b.engine.replace("It hangs.")
    assert time.monotonic() - began < 0.1 + supervisor.LOCKED
    b.submit(held)
    b.news.wait_ended([held.id])
    assert b.news.outcome(held) == expected_tokens(held)
    assert first.halted
    assert b.engine.reopened == 1
    assert (b.engine.stats().stalls, b.engine.stats().reopenings, b.engine.stats().up) == (1, 1, True)
    first.resume()
    eventually(lambda: first.stats().running == 0, "what the hung engine still did")
    assert b.news.chunks(lost.id) == 0, "nobody hears of it"
    first.die()
    b.run(b.request())
    assert len(b.made) == 2
    assert not b.news.deaths


def test_an_engine_that_holds_up_its_callers_is_given_up(
    bench: Callable[..., Bench], gate: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOCKED", 0.1)
    monkeypatch.setattr(supervisor, "CLOSING", 0.1)
    b = bench(hanging_first(gate))
    b.engine.open(b.news)
    b.made[0].submit_hangs = True  # type: ignore[attr-defined]
    threading.Thread(target=b.submit, args=(b.request(),), daemon=True).start()
    eventually(b.engine._lock.locked, "a caller that hangs")
    b.engine.replace("It hangs.")
    b.news.wait_dead()
    assert "holds up" in b.engine.lost
    gate.set()


def test_an_opening_in_time_is_progress_and_a_longer_one_is_given_up(bench: Callable[..., Bench]) -> None:
    gate = threading.Event()
    b = bench(later_ones_wait_for(gate), opening=0.3)
    b.engine.open(b.news)
    b.run(b.request())
    b.made[0].die()
    eventually(lambda: len(b.made) == 2, "the second engine")
    begun = time.monotonic()
    assert b.engine.progress >= begun - 0.3
    eventually(lambda: time.monotonic() - b.engine.progress >= 0.3, "the end of its time")
    waiting = b.request()
    b.submit(waiting)
    b.engine.replace("It hangs.")
    b.news.wait_dead()
    assert isinstance(b.news.error(waiting.id), EngineRestarting)
    assert "reopened" in b.engine.lost
    gate.set()


def test_the_keeper_s_own_death_is_the_engine_s(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise SystemExit

    b = bench()
    b.engine.open(b.news)
    monkeypatch.setattr(b.engine, "_reopen", fails)
    b.made[0].die()
    b.news.wait_dead()
    assert "SystemExit" in b.engine.lost


def test_an_engine_that_raises_while_it_is_closed_is_replaced_all_the_same(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise ZeroDivisionError

    b = bench()
    b.engine.open(b.news)
    b.run(b.request())
    monkeypatch.setattr(b.made[0], "close", fails)
    monkeypatch.setattr(b.made[0], "halt", fails)
    b.engine.replace("It hangs.")
    b.run(b.request())
    assert "did not close cleanly" in caplog.text
    monkeypatch.undo()
    b.made[0].close()


def test_a_closed_or_unopened_supervisor_replaces_nothing(bench: Callable[..., Bench]) -> None:
    b = bench()
    b.engine.replace("It hangs.")
    b.engine.open(b.news)
    b.engine.close()
    b.engine.replace("It hangs.")
    assert len(b.made) == 1


def test_a_supervisor_that_is_halted_opens_another(bench: Callable[..., Bench]) -> None:
    b = bench()
    b.engine.open(b.news)
    b.run(b.request())
    b.engine.halt()
    b.run(b.request())
    assert len(b.made) == 2
