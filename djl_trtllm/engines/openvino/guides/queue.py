"""Sequences that wait until what they are bound to is compiled, so that the others need not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from djl_trtllm.engines.openvino.messages import Bound, Sequenced


class Compiler(Protocol):
    """What compiles, see `GuideCompiler`."""

    def has(self, guide: Bound) -> bool:
        """Whether a step finds this guide compiled."""
        ...

    def begin(self, guide: Bound, done: Callable[[bool], None]) -> None:
        """Compile elsewhere, one at a time, and call `done` there."""
        ...


class GuideQueue:
    """Waiting sequences in their order. For the loop's thread; `bell` is called in another one when it can go on.

    A step that begins a guide must not meet one that is being compiled, because it would wait for it. So while one is
    being compiled none is begun, and no other is compiled until those that were begun have had a step (`seen`).
    """

    def __init__(self, compiler: Compiler, bell: Callable[[], None]) -> None:
        self._compiler = compiler
        self._bell = bell
        self._waiting: deque[Sequenced] = deque()
        self._begun: set[int] = set()
        self._compiling: Bound | None = None
        self._result: bool | None = None

    def put(self, sequence: Sequenced) -> None:
        """Let a bound sequence wait."""
        self._waiting.append(sequence)

    def drop(self, ids: Iterable[int]) -> None:
        """Forget sequences, wherever they are."""
        gone = set(ids)
        self._begun -= gone
        self._waiting = deque(sequence for sequence in self._waiting if sequence.id not in gone)

    def seen(self, ids: Iterable[int]) -> None:
        """Take note that these have had a step."""
        if self._begun:
            self._begun.difference_update(ids)

    def next(self) -> tuple[list[Sequenced], list[Sequenced]]:
        """Return those to begin now and those that cannot be, and see to it that the others are compiled for."""
        refused: list[Sequenced] = []
        if self._compiling is not None:
            if self._result is None:
                return [], refused
            if not self._result:
                refused = self._take(lambda guide: guide == self._compiling)
            self._compiling = self._result = None
        ready = self._take(self._compiler.has)
        self._begun.update(sequence.id for sequence in ready)
        if self._waiting and not self._begun:
            guide = self._waiting[0].guide
            assert guide is not None  # noqa: S101 - only bound ones wait
            self._compiling = guide
            self._compiler.begin(guide, self._done)
        return ready, refused

    def _take(self, which: Callable[[Bound], bool]) -> list[Sequenced]:
        taken = [s for s in self._waiting if s.guide is not None and which(s.guide)]
        if taken:
            self._waiting = deque(s for s in self._waiting if s.guide is None or not which(s.guide))
        return taken

    def _done(self, good: bool) -> None:
        self._result = good
        self._bell()
