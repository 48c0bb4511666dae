"""Whole generations, made ready step by step, so that what is counted between two steps is `handle` alone.

A step's Input is read and the engine's chunks are made beforehand; running the step lays the chunks into the inbox
and calls `handle`. Every count of one schedule is then the same in every run of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench import djl, ours, workload
from djl_trtllm.core import TokenChunk


@dataclass(frozen=True, slots=True)
class Prepared:
    """One step: what the engine brings before it, and what DJL sends."""

    chunks: Sequence[Sequence[TokenChunk]]
    inputs: Any


class Catch:
    """An inbox that keeps what it is given, for later."""

    def __init__(self) -> None:
        self.news: list[Sequence[TokenChunk]] = []

    def put(self, chunks: Sequence[TokenChunk]) -> None:
        self.news.append(chunks)

    def dead(self, error: Exception) -> None:
        raise error


def read(frame: bytes) -> Any:
    """Read a step's Input and complete it as DJL's Python process does."""
    from djl_python import Input

    inputs = Input()
    inputs.read(workload.Wire(frame))
    inputs.properties["device_id"] = "-1"
    return inputs


class Schedule:
    """Our handler under steps that are made ready beforehand. One generation is to end before the next begins."""

    def __init__(
        self, version: str, answers: Sequence[workload.Sequence], model: Path, **options: str
    ) -> None:
        djl.use(version)
        from djl_trtllm import worker

        worker._part = worker._load  # a worker loads once; here a second schedule may come after the first
        self.tokens = len(answers[0].ids)
        self._engine = ours.PreparedEngine(answers, workload.VOCABULARY)
        self._handle = ours.start(version, model, self._engine, **options)
        self._frames = workload.Frames(version)

    def arrival(self, bodies: Sequence[bytes]) -> list[Prepared]:
        """Prepare the next step, in which `bodies` arrive; the engine answers them inside of it."""
        known = len(self._engine.running)
        return [Prepared(self._news(), read(self._frames.arrivals(list(bodies), known)))]

    def steps(self, count: int) -> list[Prepared]:
        """Prepare the next `count` steps of what runs. They are to be run before anything else."""
        prepared = []
        for _ in range(count):
            steady = self._frames.steady(len(self._engine.running))
            prepared.append(Prepared(self._news(), read(steady)))
        return prepared

    def run(self, steps: Sequence[Prepared]) -> None:
        """Run prepared steps. Nothing but this is counted."""
        handle, put = self._handle, self._put
        for step in steps:
            for chunks in step.chunks:
                put(chunks)
            handle(step.inputs)

    def generation(self, bodies: Sequence[bytes]) -> None:
        """Run one whole generation."""
        self.run(self.arrival(bodies))
        self.run(self.steps(self.tokens - 1))

    def spans(self, bodies: Sequence[bytes]) -> list[tuple[str, Callable[[], list[Prepared]]]]:
        """The parts of one generation, in order, each to be prepared and run before the next one."""
        return [
            ("arrival", partial(self.arrival, bodies)),
            ("streamed", partial(self.steps, self.tokens - 2)),
            ("ending", partial(self.steps, 1)),
        ]

    def _news(self) -> list[Sequence[TokenChunk]]:
        """Take what one step of the engine brings."""
        engine, inbox = self._engine, self._engine.inbox
        catch = engine.inbox = Catch()
        engine.advance()
        engine.inbox = inbox
        return catch.news

    @property
    def _put(self) -> Callable[[Sequence[TokenChunk]], None]:
        if self._engine.inbox is None:
            raise RuntimeError("The engine is not open.")
        return self._engine.inbox.put
