"""Our handler as DJL calls it, over an engine that costs nothing.

Everything between `handle` and the engine seam is real: wire, loop, schema, tokenizer, detokenizer and format.
Only the model's place and the runtime are replaced. The engine's chunks are laid into the inbox between steps,
outside the measured time, as a running engine does from its own process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any
from unittest import mock

from bench import djl, workload
from djl_trtllm.core import (
    CompiledModel,
    EngineRequest,
    EngineStats,
    Features,
    FinishReason,
    Inbox,
    Limit,
    Limits,
    TokenChunk,
)

PROPERTIES = {
    "rolling_batch": "trtllm",
    "max_rolling_batch_size": "999",
    "tensor_parallel_degree": "1",
    "engine": "Python",
}
CONTEXT = 8192
NEVER = 1e6
"""Seconds between what happens once in a while: it is not to fall into what is counted."""


@dataclass(slots=True)
class Run:
    """One sequence and how far it is."""

    id: int
    answer: workload.Sequence
    logprobs: bool
    at: int = 0

    def chunk(self) -> TokenChunk:
        at, answer = self.at, self.answer
        self.at += 1
        return TokenChunk(
            self.id,
            [answer.ids[at]],
            [answer.logprobs[at]] if self.logprobs else None,
            FinishReason.LENGTH if self.at == len(answer.ids) else None,
        )


class PreparedEngine:
    """An `Engine` whose tokens were all made before; `advance` is one step of it."""

    def __init__(self, answers: Sequence[workload.Sequence], vocabulary_size: int) -> None:
        self.answers = cycle(answers)
        self.running: list[Run] = []
        self.inbox: Inbox | None = None
        limit = Limit(CONTEXT, "the bench")
        sequences = Limit(999, "the bench")
        vocabulary = Limit(vocabulary_size, "the bench")
        self.limits = Limits(limit, limit, limit, sequences, Limit(999 * CONTEXT, "the bench"), vocabulary)
        self.features = Features()

    def open(self, inbox: Inbox) -> None:
        self.inbox = inbox

    def submit(self, requests: Sequence[EngineRequest]) -> None:
        """Take sequences; their first tokens come at once, so that the first step answers like upstream's."""
        fresh = [Run(request.id, next(self.answers), request.sampling.logprobs) for request in requests]
        self.running += fresh
        self._deliver(fresh)

    def advance(self) -> None:
        self._deliver(self.running)

    def _deliver(self, runs: Sequence[Run]) -> None:
        if self.inbox is None:
            raise RuntimeError("The engine is not open.")
        self.inbox.put([run.chunk() for run in runs])
        self.running = [run for run in self.running if run.at < len(run.answer.ids)]

    def cancel(self, ids: Sequence[int]) -> None:
        raise AssertionError(f"nothing is cancelled in the bench, yet {len(ids)} sequences were")

    def stats(self) -> EngineStats:
        return EngineStats()

    @property
    def progress(self) -> float:
        return time.monotonic()

    def halt(self) -> None:
        raise AssertionError("nothing hangs in the bench")

    def close(self) -> None:
        self.running = []


@dataclass(frozen=True, slots=True)
class PreparedRuntime:
    """A `Runtime` that hands out the prepared engine."""

    prepared: PreparedEngine
    name: str = "openvino"

    def check(self, _model: CompiledModel, _options: object, _world: int) -> None:
        pass

    def engine(self, _model: CompiledModel, _options: object, _team: object) -> PreparedEngine:
        return self.prepared


@dataclass(frozen=True, slots=True)
class Loaded:
    """Our `handle`, ready for steps, and the engine's next step."""

    handle: Callable[[Any], Any]
    feed: Callable[[], None]


def load(version: str, tokens: int) -> Loaded:
    """Load our handler over an engine whose answers have `tokens` tokens."""
    model = djl.BUILD / "model"
    workload.save_tokenizer(model)
    engine = PreparedEngine(workload.sequences(tokens), workload.tokenizer().get_vocab_size())
    return Loaded(start(version, model, engine), engine.advance)


def start(version: str, model: Path, engine: PreparedEngine, **options: str) -> Callable[[Any], Any]:
    """Load our handler through its own load call, with further options, and return it."""
    from djl_python import Input

    from djl_trtllm.handler import handle

    inputs = Input()
    properties = {**PROPERTIES, **options, "model_id": str(model), "model_dir": str(model.resolve())}
    inputs.read(workload.Wire(workload.Frames(version).load(properties)))
    with (
        mock.patch("djl_trtllm.service.artifact.locate", return_value=CompiledModel(model, "the bench")),
        mock.patch("djl_trtllm.engines.registry.choose", return_value=PreparedRuntime(engine)),
        mock.patch("djl_trtllm.telemetry.metrics.SECONDS", NEVER),
        mock.patch("djl_trtllm.rolling_batch.loop.METER_SECONDS", NEVER),
    ):
        answer = handle(inputs)
    if engine.inbox is None:
        raise RuntimeError(f"The handler did not load: {getattr(answer, 'message', answer)}")
    return handle
