"""How long a first token takes beyond what the engine takes for it: steps of a fixed time stand for a prefill."""

from __future__ import annotations

import time

from bench import calibration, djl, drive, ours, workload
from bench.process import serve
from bench.timed import TimedEngine

VERSION = djl.VERSIONS[0]
TOKENS = 3
STEP = 0.005


class FirstTokenSide:
    """Our handler."""

    def __init__(self) -> None:
        djl.use(VERSION)
        model = djl.BUILD / "model"
        workload.save_tokenizer(model)
        self._engine = TimedEngine(workload.sequences(TOKENS))
        self._engine.seconds = STEP
        self._handle = ours.start(VERSION, model, self._engine)
        self._frames = workload.Frames(VERSION)

    def added(self, streams: int, requests: int) -> tuple[list[float], float]:
        """Return ms from arrivals at `handle` to the reply with their first tokens, less the engine's, and the loop's.

        The engine's time runs from the call that brings it the sequences to the end of the one that delivers tokens.
        """
        bodies = [workload.body(prompt, TOKENS) for prompt in workload.prompts(streams)]
        taken = []
        for _ in range(requests):
            frame = self._frames.arrivals(bodies)
            items, whole = self._first(frame)
            taken.append((whole - (self._engine.delivered - self._engine.submitted)) * 1_000)
            active = streams - drive.ended(items)
            while active:
                active -= drive.ended(drive.step(self._handle, self._frames.steady(active)))
        return taken, calibration.milliseconds()

    def _first(self, frame: bytes) -> tuple[list[bytes], float]:
        """Return the items of the step that completes everybody's first token, and the seconds until then."""
        from djl_python import Input

        inputs = Input()
        inputs.read(workload.Wire(frame))
        begun = time.perf_counter()
        items = self._handle(inputs).content.values
        had = [self._has_text(item) for item in items]
        while not all(had):
            items = drive.step(self._handle, self._frames.steady(len(had)))
            had = [one or self._has_text(item) for one, item in zip(had, items, strict=True)]
        return items, time.perf_counter() - begun

    def _has_text(self, item: bytes) -> bool:
        return bool(self._frames.item(bytes(item))["data"])


if __name__ == "__main__":
    serve(FirstTokenSide)
