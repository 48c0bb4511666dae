"""The order in which bound sequences are begun and guides compiled."""

from __future__ import annotations

from collections.abc import Callable

from djl_trtllm.core import EngineRequest, Guide, GuideKind, SamplingParams
from djl_trtllm.engines.openvino.guides.queue import GuideQueue
from djl_trtllm.engines.openvino.messages import Bound, Sequenced
from djl_trtllm.engines.openvino.sampling import sequenced


class Compiler:
    def __init__(self) -> None:
        self.known: set[str] = set()
        self.job: tuple[Bound, Callable[[bool], None]] | None = None

    def has(self, guide: Bound) -> bool:
        return guide.text in self.known

    def begin(self, guide: Bound, done: Callable[[bool], None]) -> None:
        assert self.job is None, "one at a time"
        self.job = guide, done

    def finish(self, good: bool = True) -> str:
        assert self.job is not None
        (guide, done), self.job = self.job, None
        if good:
            self.known.add(guide.text)
        done(good)
        return guide.text


class Rig:
    def __init__(self) -> None:
        self.rang = 0
        self.compiler = Compiler()
        self.queue = GuideQueue(self.compiler, self._ring)

    def _ring(self) -> None:
        self.rang += 1

    def put(self, id_: int, text: str) -> None:
        self.queue.put(bound(id_, text))

    def next(self) -> tuple[list[int], list[int]]:
        ready, refused = self.queue.next()
        return [s.id for s in ready], [s.id for s in refused]


def bound(id_: int, text: str) -> Sequenced:
    return sequenced(EngineRequest(id_, [1], SamplingParams(4), Guide(GuideKind.REGEX, text)))


def test_a_guide_is_compiled_once_and_then_all_that_wait_for_it_begin() -> None:
    rig = Rig()
    for id_ in (1, 2):
        rig.put(id_, "a")
    assert rig.next() == ([], [])
    assert rig.next() == ([], [])
    assert rig.compiler.finish() == "a"
    assert rig.rang == 1
    assert rig.next() == ([1, 2], [])
    rig.put(3, "a")
    assert rig.next() == ([3], [])


def test_the_next_guide_waits_until_those_begun_had_a_step() -> None:
    rig = Rig()
    rig.put(1, "a")
    rig.put(2, "b")
    rig.next()
    rig.compiler.finish()
    assert rig.next() == ([1], [])
    assert rig.compiler.job is None
    rig.queue.seen([7])
    assert rig.next() == ([], [])
    assert rig.compiler.job is None
    rig.queue.seen([1])
    rig.next()
    assert rig.compiler.finish() == "b"
    assert rig.next() == ([2], [])


def test_nothing_is_begun_while_something_is_compiled() -> None:
    rig = Rig()
    rig.compiler.known.add("a")
    rig.put(1, "b")
    rig.next()
    rig.put(2, "a")
    assert rig.next() == ([], [])
    rig.compiler.finish()
    assert rig.next() == ([1, 2], [])


def test_what_cannot_be_compiled_is_refused_and_the_rest_goes_on() -> None:
    rig = Rig()
    for id_, text in ((1, "bad"), (2, "b"), (3, "bad")):
        rig.put(id_, text)
    rig.next()
    rig.compiler.finish(good=False)
    assert rig.next() == ([], [1, 3])
    assert rig.compiler.finish() == "b"
    assert rig.next() == ([2], [])


def test_dropped_sequences_are_nowhere() -> None:
    rig = Rig()
    rig.put(1, "a")
    rig.put(2, "a")
    rig.next()
    rig.queue.drop([1])
    rig.compiler.finish()
    assert rig.next() == ([2], [])
    rig.put(3, "c")
    rig.queue.drop([2])
    rig.next()
    assert rig.compiler.job is not None, "a dropped one needs no step"
