"""Our handler, or a bare loop, over an engine with steps of a fixed time: `overlap_side <handler or raw>`.

Both answer `run` with tokens a second of wall time from the first call to the last token.
"""

from __future__ import annotations

import sys
import time

from bench import djl, drive, ours, workload
from bench.process import serve
from bench.timed import TimedEngine
from djl_trtllm.core import EngineRequest, SamplingParams
from djl_trtllm.rolling_batch.inbox import QueueInbox

VERSION = djl.VERSIONS[0]
TOKENS = 256
"""Tokens of one answer, at most."""


class HandlerSide:
    """DJL's frames read by djl_python, and all of our handler."""

    def __init__(self) -> None:
        djl.use(VERSION)
        model = djl.BUILD / "model"
        workload.save_tokenizer(model)
        self._engine = TimedEngine(workload.sequences(TOKENS))
        self._handle = ours.start(VERSION, model, self._engine)
        self._frames = workload.Frames(VERSION)

    def run(self, streams: int, tokens: int, milliseconds: float) -> float:
        self._engine.seconds = milliseconds / 1_000
        bodies = [workload.body(prompt, tokens) for prompt in workload.prompts(streams)]
        return drive.tokens_a_second(self._handle, self._frames, bodies, tokens)


class RawSide:
    """The same engine, its news taken and counted."""

    def __init__(self) -> None:
        self._engine = TimedEngine(workload.sequences(TOKENS))
        self._inbox = QueueInbox()
        self._engine.open(self._inbox)

    def run(self, streams: int, tokens: int, milliseconds: float) -> float:
        self._engine.seconds = milliseconds / 1_000
        sampling = SamplingParams(tokens, logprobs=True)
        requests = [EngineRequest(number, (1, 2, 3), sampling) for number in range(streams)]
        active, counted = streams, 0
        begun = time.perf_counter()
        self._engine.submit(requests)
        while active:
            for chunks in self._inbox.wait(1.0):
                counted += sum(len(chunk.tokens) for chunk in chunks)
                active -= sum(chunk.finish is not None for chunk in chunks)
        seconds = time.perf_counter() - begun
        if counted != streams * tokens:
            raise AssertionError(f"{counted} tokens instead of {streams * tokens}")
        return counted / seconds


if __name__ == "__main__":
    serve({"handler": HandlerSide, "raw": RawSide}[sys.argv[1]], *sys.argv[2:])
