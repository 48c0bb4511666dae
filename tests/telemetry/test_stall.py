"""What makes no progress is noticed, and nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence

import pytest

from djl_trtllm.core import FinishReason, TokenChunk
from djl_trtllm.errors import GenerationFailed
from djl_trtllm.telemetry import stall
from djl_trtllm.telemetry.stall import StallWatch, Watchdog
from tests.support import tiny
from tests.support.collector import eventually

LIMIT = 60.0
TOKEN = [TokenChunk(1, [5])]


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(stall.time, "monotonic", lambda: self.now)


class Hung:
    """An engine that says nothing, or when it last worked."""

    def __init__(self, progress: float = 0.0) -> None:
        self.progress = progress
        self.replaced: list[str] = []

    def replace(self, why: str) -> None:
        self.replaced.append(why)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def after(
    watch: StallWatch,
    clock: Clock,
    seconds: float,
    news: Sequence[Sequence[TokenChunk]] = (),
    *,
    step: float = 0.1,
    runs: bool = True,
) -> float | None:
    """Let time pass in steps of the loop; the seconds after which a stall was told, if it was."""
    begun = clock.now
    while clock.now - begun < seconds:
        clock.now += step
        if watch.look(news, lambda: runs) is not None:
            return clock.now - begun
    return None


def test_silence_with_requests_running_is_a_stall_soon_after_the_limit(clock: Clock) -> None:
    watch = StallWatch(LIMIT, Hung())
    watch.look([TOKEN], lambda: True)
    assert after(watch, clock, 100) == pytest.approx(LIMIT, abs=0.5)


def test_nothing_to_run_is_no_stall(clock: Clock) -> None:
    watch = StallWatch(LIMIT, Hung())
    assert after(watch, clock, 200, runs=False) is None
    assert after(watch, clock, LIMIT - 1) is None, "what came after counts from its beginning"


@pytest.mark.parametrize(
    "news",
    [
        [TOKEN],
        [(), [TokenChunk(2, error=GenerationFailed()), TokenChunk(1, [5])]],
        [[TokenChunk(1, [], finish=FinishReason.EOS)]],
    ],
)
def test_one_token_or_ending_of_anybody_is_progress(clock: Clock, news: list[list[TokenChunk]]) -> None:
    watch = StallWatch(LIMIT, Hung())
    for _ in range(4):
        assert after(watch, clock, LIMIT - 1) is None
        assert watch.look(news, lambda: True) is None
    assert after(watch, clock, 100) is not None


@pytest.mark.parametrize(
    "chunk", [TokenChunk(9, error=GenerationFailed()), TokenChunk(9, finish=FinishReason.CANCELLED)]
)
def test_refusals_and_cancellations_need_no_engine_and_hide_no_stall(clock: Clock, chunk: TokenChunk) -> None:
    watch = StallWatch(LIMIT, Hung())
    assert after(watch, clock, 100, [[chunk]]) == pytest.approx(LIMIT, abs=0.5)


def test_an_engine_that_tells_of_work_has_not_stalled(clock: Clock) -> None:
    engine = Hung()
    watch = StallWatch(LIMIT, engine)
    for _ in range(30):
        engine.progress = clock.now
        assert after(watch, clock, 10) is None
    assert after(watch, clock, 100) == pytest.approx(LIMIT - 10, abs=0.5), "counted from its last word"


def test_an_engine_that_may_be_quiet_has_not_stalled(clock: Clock) -> None:
    engine = Hung(clock.now + 500)
    assert after(StallWatch(LIMIT, engine), clock, 1000) == pytest.approx(500 + LIMIT, abs=0.5)


def test_a_long_prompt_and_then_a_pause_are_no_stall(clock: Clock) -> None:
    engine = Hung()
    watch = StallWatch(LIMIT, engine)
    for _ in range(20):
        engine.progress = clock.now
        assert after(watch, clock, 10) is None
    clock.now += 3600
    assert after(watch, clock, 20) is None


def test_a_process_that_was_stopped_has_stalled_nobody(clock: Clock) -> None:
    watch = StallWatch(LIMIT, Hung())
    assert after(watch, clock, 5) is None
    clock.now += 3600
    assert after(watch, clock, 50) is None
    assert after(watch, clock, 20) is not None


def test_zero_is_never(clock: Clock) -> None:
    assert after(StallWatch(0, Hung()), clock, 1000) is None


def test_it_tells_once_and_then_counts_anew(clock: Clock) -> None:
    watch = StallWatch(LIMIT, Hung())
    assert after(watch, clock, 100) is not None
    assert after(watch, clock, LIMIT - 1) is None
    assert after(watch, clock, 10) is not None


def test_replacing_dumps_the_stacks_first(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    engine = Hung()
    StallWatch(LIMIT, engine).replace("It hangs.")
    assert engine.replaced == ["It hangs."]
    assert "It hangs." in caplog.text
    assert "test_replacing_dumps_the_stacks_first" in capfd.readouterr().err


class Ended(BaseException):
    """Instead of the process's end."""


def test_a_hung_step_is_dumped_then_ends_the_worker(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[str] = []
    monkeypatch.setattr(stall, "END_AFTER", 0.1)
    monkeypatch.setattr(stall, "end", ended.append)
    watchdog = Watchdog(0.2, lambda: 7)
    eventually(lambda: bool(ended), "the end")
    watchdog.close()
    assert "stall_timeout" in ended[0]
    assert "has not come back" in caplog.text
    assert capfd.readouterr().err.count("Current thread") == 1, "dumped once"


def test_steps_that_come_and_go_and_pauses_between_them_are_well(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    monkeypatch.setattr(stall, "END_AFTER", 0.0)
    monkeypatch.setattr(stall, "end", ended.append)
    beats = [0]
    looked = threading.Event()

    def beat() -> int:
        beats[0] += 2 if beats[0] % 2 else 0  # another step each time
        if beats[0] > 19:
            looked.set()
        return beats[0]

    for start in (0, 1):
        beats[0] = start
        watchdog = Watchdog(0.1, beat)
        looked.wait(1.0 if start == 0 else 60)
        watchdog.close()
    assert looked.is_set()
    assert not ended


def test_a_watchdog_that_is_off_has_no_thread() -> None:
    before = set(threading.enumerate())
    watchdog = Watchdog(0, lambda: 1)
    assert not [t for t in set(threading.enumerate()) - before if t.name == "watchdog"]
    watchdog.close()


HOLD_THE_LOCK = """
import ctypes, time
from djl_trtllm.telemetry.stall import Watchdog
watchdog = Watchdog(1, lambda: 1)
time.sleep(0.6)
ctypes.PyDLL(None).sleep(4)  # PyDLL keeps the interpreter's lock
import os
os._exit(0)
"""


def test_the_stacks_come_even_where_the_interpreter_s_lock_is_held() -> None:
    done = subprocess.run(
        [sys.executable, "-c", HOLD_THE_LOCK], capture_output=True, text=True, timeout=60, cwd=tiny.ROOT
    )
    assert done.returncode == 0
    assert "Timeout (0:00:02)!" in done.stderr
    assert 'File "<string>"' in done.stderr


def test_the_reason_is_the_last_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def leave(status: int) -> None:
        raise Ended(status)

    monkeypatch.setattr(os, "_exit", leave)
    with pytest.raises(Ended, match="1"):
        stall.end("it failed 5 times in a row")
    assert caplog.messages[-1].endswith("it failed 5 times in a row")
