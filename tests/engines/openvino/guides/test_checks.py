"""What is asked, remembered, retried and told, over a process that does what the test says."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from djl_trtllm.core import Guide, GuideKind
from djl_trtllm.engines.openvino.guides import checks as guide_checks
from djl_trtllm.engines.openvino.guides import messages as g
from djl_trtllm.engines.openvino.guides.checks import GuideChecks
from djl_trtllm.engines.openvino.guides.process import EndedError, GuideProcess, NotReadyError
from djl_trtllm.errors import Busy, InvalidRequest

GOOD = g.Verdict(g.GOOD)


class Process(GuideProcess):
    """Answers with what `answer` returns or raises."""

    def __init__(self, answer: Callable[[str], g.Verdict]) -> None:
        self._answer = answer
        self.closed = False

    @property
    def pid(self) -> int | None:
        return 7

    def ask(self, question: g.Check, seconds: float) -> g.Verdict:
        return self._answer(question.guide.text)

    def close(self) -> None:
        self.closed = True


class Rig:
    def __init__(
        self, answer: Callable[[str], g.Verdict], seconds: float = 2.0, max_bytes: int = 100
    ) -> None:
        self.asked: list[str] = []
        self.made: list[Process] = []
        self._answer = answer
        self.checks = GuideChecks(self._make, seconds, max_bytes)

    def _make(self) -> Process:
        self.made.append(Process(self._ask))
        return self.made[-1]

    def _ask(self, text: str) -> g.Verdict:
        self.asked.append(text)
        return self._answer(text)

    def check(self, text: str, kind: GuideKind = GuideKind.REGEX) -> str:
        """The refusal, "" for none."""
        said = ""
        try:
            self.checks.check(Guide(kind, text))
        except InvalidRequest as error:
            said = str(error)
        assert "secret" not in said
        return said


def always(answer: g.Verdict | Exception) -> Callable[[str], g.Verdict]:
    def give(text: str) -> g.Verdict:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return give


def test_good_ones_are_asked_about_once_and_the_process_starts_with_the_first() -> None:
    rig = Rig(always(GOOD))
    assert rig.checks.pid is None
    for _ in range(3):
        assert rig.check("a") == ""
        assert rig.check("b") == ""
    assert rig.asked == ["a", "b"]
    assert len(rig.made) == 1
    assert rig.checks.pid == 7


def test_the_kind_is_part_of_what_is_remembered() -> None:
    rig = Rig(always(GOOD))
    rig.check('root ::= "a"')
    rig.check('root ::= "a"', GuideKind.GRAMMAR)
    assert len(rig.asked) == 2


def test_bad_ones_are_remembered_with_their_reason() -> None:
    rig = Rig(always(g.Verdict(g.MALFORMED, "at line 1")))
    for _ in range(2):
        assert rig.check("secret") == "The regular expression cannot be enforced: at line 1."
    assert rig.asked == ["secret"]
    assert "no text fits" in Rig(always(g.Verdict(g.DEAD_END))).check("secret")
    assert Rig(always(g.Verdict(g.MALFORMED))).check("a") == "The regular expression cannot be enforced."


def test_what_reading_tells_is_not_asked() -> None:
    rig = Rig(always(GOOD), max_bytes=60)
    said = rig.check("secret" * 20)
    assert "120 bytes" in said
    assert "60" in said
    assert "fraction" in rig.check('{"type":"number","minimum":0.5}', GuideKind.JSON)
    assert rig.check("(?=secret)")
    assert rig.check("secret\0")
    assert rig.asked == []


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guide_checks, "_REMEMBERED", 2)
    rig = Rig(always(GOOD))
    for text in ("a", "b", "a", "c", "a", "b"):
        rig.check(text)
    assert rig.asked == ["a", "b", "c", "b"]


def test_a_slow_one_is_refused_with_the_limit_and_not_tried_again_for_a_while(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(always(TimeoutError()), seconds=0.5)
    with caplog.at_level(logging.INFO):
        said = rig.check("secret")
    assert "0.5 s" in said
    assert "guide_timeout" in said
    assert rig.check("secret") == said
    assert rig.asked == ["secret"]
    assert rig.made[0].closed
    assert "secret" not in caplog.text
    monkeypatch.setattr(guide_checks.time, "monotonic", lambda: 10.0**9)
    rig.check("secret")
    assert len(rig.asked) == 2
    assert len(rig.made) == 2


def test_a_process_that_ended_by_itself_is_replaced_and_asked_again() -> None:
    answers: list[g.Verdict | Exception] = [EndedError(-9), GOOD]
    rig = Rig(lambda text: always(answers.pop(0))(text))
    assert rig.check("a") == ""
    assert len(rig.made) == 2
    assert rig.made[0].closed


@pytest.mark.parametrize(("code", "said"), [(-11, "too deeply nested"), (g.NO_MEMORY, "too much memory")])
def test_one_that_ends_two_processes_is_refused(code: int, said: str) -> None:
    rig = Rig(always(EndedError(code)))
    assert said in rig.check("a")
    assert said in rig.check("a")
    assert len(rig.asked) == 2


def test_without_a_process_nothing_is_told_and_nothing_remembered() -> None:
    answers: list[g.Verdict | Exception] = [NotReadyError("it ended"), GOOD]
    rig = Rig(lambda text: always(answers.pop(0))(text))
    with pytest.raises(Busy):
        rig.check("a")
    assert rig.check("a") == ""


def test_while_one_is_checked_for_long_others_are_busy_and_known_ones_are_not() -> None:
    started, go = threading.Event(), threading.Event()

    def answer(text: str) -> g.Verdict:
        if text == "slow":
            started.set()
            go.wait(30)
        return GOOD

    rig = Rig(answer, seconds=0.05)
    rig.check("known")
    thread = threading.Thread(target=rig.check, args=("slow",))
    thread.start()
    started.wait(30)
    assert rig.check("known") == ""
    with pytest.raises(Busy):
        rig.check("other")
    go.set()
    thread.join()
    assert rig.check("other") == ""


def test_the_same_one_from_many_threads_is_asked_once() -> None:
    rig = Rig(always(GOOD), seconds=30)
    threads = [threading.Thread(target=rig.check, args=("a",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert rig.asked == ["a"]


def test_closed() -> None:
    rig = Rig(always(GOOD))
    rig.check("a")
    rig.checks.close()
    assert rig.made[0].closed
    with pytest.raises(Busy):
        rig.check("b")
    rig.checks.close()


def test_closed_while_one_is_checked() -> None:
    rig = Rig(lambda text: GOOD)

    def answer(text: str) -> g.Verdict:
        rig.checks.close()
        raise EndedError(-9)

    rig._answer = answer
    with pytest.raises(Busy):
        rig.check("a")
    assert len(rig.made) == 1
