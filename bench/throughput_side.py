"""One side of the throughput figure in a process of its own, `handler` or `raw <model directory>`.

Both answer `run` with tokens a second of wall time, from the first call to the last token of N equal-length
greedy answers that begin together.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from pathlib import Path
from typing import Any
from unittest import mock

from bench import djl, drive, latency, workload
from bench.process import serve

VERSION = djl.VERSIONS[0]
PROMPT_TOKENS = 32
NEW_TOKENS = 32
PROPERTIES = {
    "rolling_batch": "trtllm",
    "max_rolling_batch_size": "64",
    "runtime": "openvino",
    "quantize": "int8",
    "cache_dir": str((djl.BUILD / "cache").resolve()),
}


def prompts(model: Path, count: int) -> list[tuple[str, list[int]]]:
    """Return texts of exactly `PROMPT_TOKENS` tokens of the model's tokenizer, with their ids."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
    ids = tokenizer.encode(workload.corpus()[:100_000], add_special_tokens=False).ids
    found: list[tuple[str, list[int]]] = []
    for start in range(0, len(ids) - PROMPT_TOKENS, PROMPT_TOKENS):
        text = tokenizer.decode(ids[start : start + PROMPT_TOKENS])
        again = tokenizer.encode(text).ids
        if len(again) == PROMPT_TOKENS:
            found.append((text, again))
            if len(found) == count:
                return found
    raise ValueError(f"only {len(found)} prompts of {PROMPT_TOKENS} tokens")


class Silence:
    """A `Progress` that says nothing."""

    def stage(self, name: str, percent: float | None = None) -> None:
        """Do nothing."""


class HandlerSide:
    """Our handler in the worker's place: frames in, Outputs out."""

    def __init__(self) -> None:
        djl.use(VERSION)
        from djl_python import Input

        from djl_trtllm.engines.openvino.runtime import OpenVINO
        from djl_trtllm.handler import handle
        from djl_trtllm.local import demo, workspace

        self.handle: Any = handle
        self.frames = workload.Frames(VERSION)
        self.compiled: list[Path] = []
        make = OpenVINO.engine

        def engine(runtime: Any, model: Any, *more: Any) -> Any:
            self.compiled.append(model.path)
            return make(runtime, model, *more)

        checkpoint = demo.checkpoint(workspace.cache_root(os.environ), Silence())
        inputs = Input()
        inputs.read(workload.Wire(self.frames.load({**PROPERTIES, "model_id": str(checkpoint)})))
        with mock.patch.object(OpenVINO, "engine", engine):
            answer = handle(inputs)
        if not self.compiled or answer is not None:
            raise RuntimeError(f"The handler did not load: {getattr(answer, 'message', answer)}")

    def model(self) -> str:
        return str(self.compiled[-1])

    def run(self, streams: int) -> float:
        bodies = [
            workload.body(text, NEW_TOKENS, greedy=True) for text, _ in prompts(Path(self.model()), streams)
        ]
        return drive.tokens_a_second(self.handle, self.frames, bodies, NEW_TOKENS)


class RawSide:
    """OpenVINO GenAI's pipeline as the child process constructs it, stepped and read with nothing around it."""

    def __init__(self, model: str) -> None:
        from djl_trtllm.engines.openvino.child import construct
        from djl_trtllm.engines.openvino.link import Link
        from djl_trtllm.engines.openvino.model import read_facts
        from djl_trtllm.engines.openvino.settings import available_memory, settings
        from djl_trtllm.options import sources

        self.model = Path(model)
        options = sources.read({**PROPERTIES, "model_id": model}, {})
        start, _ = settings(read_facts(self.model), options, available_memory())
        link = Link(socket.socketpair()[0])
        self.pipeline = construct(start, link)._pipeline
        self.next_id = 0

    def run(self, streams: int) -> float:
        return self.latencies(streams)["rate"]

    def latencies(self, streams: int) -> dict[str, float]:
        """Return what `latency.summary` makes of answers that begin together, and the CPU µs of a token."""
        import numpy as np
        import openvino as ov
        import openvino_genai as genai

        # Log-probs too, as jsonlines shows them: they alone cost the pipeline 6 to 15 % (measured, 8 and 32 streams).
        config = genai.GenerationConfig(max_new_tokens=NEW_TOKENS, ignore_eos=True, logprobs=1)
        chosen = prompts(self.model, streams)
        stamps: list[list[float]] = [[] for _ in chosen]
        begun, used = time.perf_counter(), time.process_time()
        live = [
            (
                self.pipeline.add_request(
                    self.next_id + index, ov.Tensor(np.array(ids, dtype=np.int64)), config
                ),
                one,
            )
            for index, ((_, ids), one) in enumerate(zip(chosen, stamps, strict=True))
        ]
        self.next_id += streams
        running = genai.GenerationStatus.RUNNING
        while live:
            self.pipeline.step()
            now = time.perf_counter()
            for handle, one in live:
                while handle.can_read():
                    for output in handle.read().values():
                        one.extend([now] * len(output.generated_ids))
            live = [(handle, one) for handle, one in live if handle.get_status() == running]
        tokens = sum(map(len, stamps))
        if tokens != streams * NEW_TOKENS:
            raise AssertionError(f"{tokens} tokens instead of {streams * NEW_TOKENS}")
        taken = (time.process_time() - used) * 1e6 / tokens
        return {**latency.summary(begun, stamps), "cpu_raw": taken}


if __name__ == "__main__":
    serve({"handler": HandlerSide, "raw": RawSide}[sys.argv[1]], *sys.argv[2:])
