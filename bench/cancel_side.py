"""An OpenVINO engine of whose running sequences one is cancelled: `cancel_side <model directory>`."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

from bench.process import serve
from bench.throughput_side import PROPERTIES
from djl_trtllm.core import CompiledModel, EngineRequest, SamplingParams, TokenChunk
from djl_trtllm.engines.openvino.runtime import OpenVINO
from djl_trtllm.options import sources
from djl_trtllm.ranks import Solo
from djl_trtllm.rolling_batch.inbox import QueueInbox

SEQUENCES = 4
STEPS = 15
"""Steps before the cancelling, by which the median step is known; few enough that nobody needs a second block of the
KV cache."""
MOST = 256
PATIENCE = 60.0


class CancelSide:
    """One engine, whose process says after each step how much of the KV cache is used."""

    def __init__(self, model: str) -> None:
        properties = {**PROPERTIES, "model_id": model, "max_rolling_batch_size": str(SEQUENCES)}
        options = sources.read(properties, {})
        self._engine = OpenVINO().engine(CompiledModel(Path(model), "the bench"), options, Solo())
        self._inbox = QueueInbox()
        self._engine.open(self._inbox)
        self._next = 1

    def run(self) -> dict[str, float]:
        """Return how many steps after a cancel still had the memory taken, ms until it was free, and a step's ms.

        The cancel comes in the middle of a step, which cannot be stopped and is not counted; nor is the one that runs
        with the memory free and says so at its end.
        """
        ids = range(self._next, self._next + SEQUENCES)
        self._next += SEQUENCES
        self._submit(*ids)
        stamps: list[float] = []

        def stepped(chunks: list[TokenChunk]) -> bool:
            if any(chunk.id == ids[0] for chunk in chunks):
                stamps.append(time.perf_counter())
            return len(stamps) >= STEPS

        self._until(stepped)
        step = statistics.median(after - before for before, after in pairwise(stamps))
        time.sleep(step / 2)
        self._inbox.drain()
        used, said = self._used(), 0
        begun = time.perf_counter()
        self._engine.cancel([ids[1]])

        def freed(chunks: list[TokenChunk]) -> bool:
            nonlocal said
            said += sum(chunk.id == ids[0] for chunk in chunks)
            return self._used() < used

        self._until(freed)
        taken = time.perf_counter() - begun
        self._engine.cancel(ids)
        self._idle()
        return {"steps": said - 2, "taken": taken * 1_000, "step": step * 1_000}

    def _used(self) -> float:
        return self._engine.stats().kv_used_percent

    def _submit(self, *ids: int) -> None:
        sampling = SamplingParams(MOST, ignore_eos=True)
        self._engine.submit([EngineRequest(id_, [id_ % 100 + 10] * 4, sampling) for id_ in ids])

    def _until(self, done: Callable[[list[TokenChunk]], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            news = [chunk for chunks in self._inbox.wait(1.0) for chunk in chunks]
            if news and done(news):
                return
        raise AssertionError(f"nothing came of it in {PATIENCE:.0f} s")

    def _idle(self) -> None:
        """Wait until the engine's process has freed everything."""
        time.sleep(0.3)
        self._inbox.drain()


if __name__ == "__main__":
    serve(CancelSide, *sys.argv[1:])
