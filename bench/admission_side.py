"""Streams that run while one long prompt is admitted, over an engine with steps of a fixed time."""

from __future__ import annotations

import statistics
import time
from typing import Any

from bench import djl, drive, ours, workload
from bench.process import serve
from bench.timed import TimedEngine

VERSION = djl.VERSIONS[0]
CONTEXT = 131_072
STEP = 0.01
BEFORE = 60
"""Steps that are measured before the long prompt arrives."""
MOST = 1_024
"""Tokens of a running stream's answer; the long prompt must be in before they are over."""


class AdmissionSide:
    """Our handler, in a model with a long context."""

    def __init__(self) -> None:
        djl.use(VERSION)
        model = djl.BUILD / "model"
        workload.save_tokenizer(model)
        self._engine = TimedEngine(workload.sequences(MOST), CONTEXT)
        self._engine.seconds = STEP
        self._handle = ours.start(VERSION, model, self._engine)
        self._frames = workload.Frames(VERSION)

    def run(self, streams: int, tokens: int) -> dict[str, float]:
        """Return steps as multiples of the median one: the widest and the mean one, during admission and without.

        Without means as many steps right before. `steps` says how many there were.
        """
        prompt = _prompt(tokens)
        bodies = [workload.body(text, MOST) for text in workload.prompts(streams)]
        self._step(self._frames.arrivals(bodies))
        steady = self._frames.steady(streams)
        without = [self._step(steady)[1] for _ in range(BEFORE)]
        items, gap = self._step(self._with_arrival(streams, workload.body(prompt, 1)))
        during = [gap]
        while not self._frames.item(bytes(items[streams]))["data"]:
            items, gap = self._step(self._frames.steady(streams + 1))
            during.append(gap)
            if drive.ended(items[:streams]):
                raise AssertionError("the streams ended before the long prompt was admitted")
        self._engine.seconds = 0.0  # the rest of the answers is of no interest
        self._finish(streams)
        self._engine.seconds = STEP
        median, before = statistics.median(without), without[-len(during) :]
        return {
            "widest": max(during) / median,
            "mean": statistics.mean(during) / median,
            "widest_without": max(before) / median,
            "mean_without": statistics.mean(before) / median,
            "steps": len(during),
        }

    def _step(self, frame: bytes) -> tuple[Any, float]:
        begun = time.perf_counter()
        items = drive.step(self._handle, frame)
        return items, time.perf_counter() - begun

    def _finish(self, active: int) -> None:
        while active:
            active -= drive.ended(drive.step(self._handle, self._frames.steady(active)))

    def _with_arrival(self, running: int, body: bytes) -> bytes:
        """A step that lists the running streams and one new request."""
        prefix = f"batch_{running:03d}."
        properties = {
            "handler": "handle",
            "batch_size": str(running + 1),
            f"{prefix}Content-Type": "application/json",
        }
        old = [(f"batch_{index:03d}.data", b"") for index in range(running)]
        return self._frames.build(properties, [*old, (f"{prefix}data", body), (f"{prefix}seed", b"7")])


def _prompt(tokens: int) -> str:
    tokenizer = workload.tokenizer()
    ids = tokenizer.encode(workload.corpus()).ids
    return str(tokenizer.decode((ids * (tokens // len(ids) + 1))[:tokens]))


if __name__ == "__main__":
    serve(AdmissionSide)
