"""The engine's process: `python -m djl_trtllm.engines.openvino.child <socket descriptor> <parent's pid>`.

It reads a `Start`, constructs the pipeline and runs the loop. It lives no longer than its parent: the kernel
kills it when the thread that started it ends, and it ends by itself when the connection closes. Terminal and
service signals go to whole process groups; the parent decides what they mean, so they are ignored here.
"""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from djl_trtllm.engines.openvino import messages as m
from djl_trtllm.engines.openvino.guides.compiler import GuideCompiler
from djl_trtllm.engines.openvino.guides.files import PROBE
from djl_trtllm.engines.openvino.guides.queue import GuideQueue
from djl_trtllm.engines.openvino.guides.repair import repaired
from djl_trtllm.engines.openvino.link import Link
from djl_trtllm.engines.openvino.loop import BrokenPipelineError, Loop, first_line, out_of_memory
from djl_trtllm.engines.openvino.process import STACKS
from djl_trtllm.engines.openvino.sampling import generation_values

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Run the process; its exit code."""
    descriptor, parent = int(sys.argv[1]), int(sys.argv[2])
    tie_to_parent(parent)
    faulthandler.register(STACKS)
    logging.basicConfig(stream=sys.stderr, format="%(levelname)s openvino: %(message)s", level=logging.INFO)
    link = Link(socket.socket(fileno=descriptor))
    try:
        return serve(link)
    except (BrokenPipeError, ConnectionResetError):
        return 0  # The parent is gone.


def serve(link: Link) -> int:
    """Construct the pipeline that the first message describes and run it; the exit code."""
    first = link.receive(None)
    if not first:
        return 0
    start = m.decode_to_child(first[0])
    if not isinstance(start, m.Start):
        raise TypeError("The first message must be Start.")
    began = time.monotonic()
    try:
        loop = construct(start, link)
    except Exception as error:
        link.send(m.encode(m.Failed(_kind(error), first_line(error))))
        return 1
    link.send(m.encode(m.Ready(time.monotonic() - began)))
    try:
        loop.run()
    except BrokenPipelineError as error:
        link.send(m.encode(m.Failed(error.kind, str(error))))
        return 1
    return 0


def _kind(error: Exception) -> str:
    if out_of_memory(error):
        return m.MEMORY
    return m.LIBRARIES if isinstance(error, ImportError) else m.OTHER


def construct(start: m.Start, link: Link) -> Loop:
    """Load the model and make the loop. Raises whatever OpenVINO raises."""
    # Nothing here computes with NumPy's BLAS, which takes memory for each thread, and ends the process for want of it.
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    import numpy as np
    import openvino as ov
    import openvino_genai as genai

    scheduler = genai.SchedulerConfig()
    scheduler.num_kv_blocks = start.kv_blocks
    scheduler.max_num_batched_tokens = start.step_tokens
    scheduler.max_num_seqs = start.max_sequences
    scheduler.enable_prefix_caching = start.prefix_caching
    # Off, a KV cache that is too small for the load can crash the process (2026.4.1, observed).
    scheduler.dynamic_split_fuse = True
    properties = dict(start.properties)
    tokenizer = None
    if start.guide:
        tokenizer = genai.Tokenizer(start.guide)
        pipeline = genai.ContinuousBatchingPipeline(start.model, tokenizer, scheduler, "CPU", **properties)
    else:
        pipeline = genai.ContinuousBatchingPipeline(start.model, scheduler, "CPU", properties)
    stop_ids = set(start.stop_ids)

    def config(sequence: m.Sequenced) -> Any:
        values = generation_values(sequence.sampling, stop_ids)
        if sequence.guide is not None:
            values["structured_output_config"] = structured_output(sequence.guide)
        return genai.GenerationConfig(**values)

    def tensor(prompt: bytes) -> Any:
        return ov.Tensor(np.frombuffer(prompt, dtype=np.int64))

    reason = genai.GenerationFinishReason
    ends = {
        reason.NONE.value: m.GOING,
        reason.STOP.value: m.STOPPED,
        reason.LENGTH.value: m.LENGTH,
        reason.TOOL_CALL.value: m.STOPPED,
    }
    guides = None if tokenizer is None else _guide_queue(start, tokenizer, link)
    return Loop(pipeline, link, config, tensor, ends, guides)


def _guide_queue(start: m.Start, tokenizer: Any, link: Link) -> GuideQueue:
    import openvino_genai as genai

    def config(guide: m.Bound | None) -> Any:
        values: dict[str, Any] = {"max_new_tokens": 1, "stop_token_ids": set(start.stop_ids)}
        if guide is not None:
            values["structured_output_config"] = structured_output(guide)
        return genai.GenerationConfig(**values)

    probe = str(Path(start.guide) / PROBE)
    return GuideQueue(GuideCompiler(start.guide, probe, tokenizer, config), link.bell())


def structured_output(guide: m.Bound) -> Any:
    """Return OpenVINO's own words for what an answer is bound to."""
    import openvino_genai as genai

    return genai.StructuredOutputConfig(**{guide.kind: repaired(guide)})


def tie_to_parent(parent: int) -> None:
    """End with the parent, and not by a signal that is meant for it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)  # It went away before the kernel knew.


if __name__ == "__main__":
    sys.exit(main())
