"""Compiles guides ahead of the pipeline's steps: a step that met a new one would hold up every sequence meanwhile.

The library keeps what it has compiled with the tokenizer object, for every pipeline that has this object. So a small
pipeline with the same tokenizer compiles a guide first, in `generate()`, which releases the GIL, and the real one finds
it. Facts of OpenVINO GenAI 2026.4.1 that shape it, all observed:
- What is compiled stays for ever, about 0.2 MB for a small schema. It goes when a pipeline with another number of
  logits takes a step with the same tokenizer.
- While one guide is compiled, a step that begins another one waits for it, though that may be compiled already.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from djl_trtllm.engines.openvino.messages import Bound

logger = logging.getLogger(__name__)

Done = Callable[[bool], None]

_BLOCKS = 2
_KEPT = 128
_KEPT_BYTES = 256 << 20


class GuideCompiler:
    """One thread that compiles one guide at a time. All methods are for the loop's thread.

    `directory` is the one that `files` describes, `other` that of a model with another number of logits, and
    `config` makes a GenerationConfig for one token, bound or not.
    """

    def __init__(
        self, directory: str, other: str, tokenizer: Any, config: Callable[[Bound | None], Any]
    ) -> None:
        import numpy as np
        import openvino as ov

        self._tokenizer = tokenizer
        self._config = config
        self._other = other
        self._prompt = ov.Tensor(np.array([0], np.int64))
        self._pipeline = self._open(directory)
        self._jobs: queue.SimpleQueue[tuple[Bound, Done]] = queue.SimpleQueue()
        self._compiled: set[Bound] = set()
        self._grown = 0
        # Makes the library's object for guides now: made by two pipelines at once it would be a race.
        self._generate(self._pipeline, None)
        threading.Thread(target=self._work, name="guide-compiler", daemon=True).start()

    def has(self, guide: Bound) -> bool:
        """Whether a step finds this guide compiled."""
        return guide in self._compiled

    def begin(self, guide: Bound, done: Done) -> None:
        """Compile in the thread, and call `done` there with whether that worked. One at a time."""
        if len(self._compiled) >= _KEPT or self._grown >= _KEPT_BYTES:
            self._forget()
        self._jobs.put((guide, done))

    def _forget(self) -> None:
        """Let go of what is compiled, between two steps and with nothing being compiled."""
        self._compiled.clear()
        self._grown = 0
        self._generate(self._open(self._other), None)
        self._generate(self._pipeline, None)

    def _work(self) -> None:
        while True:
            guide, done = self._jobs.get()
            before, good = _resident(), False
            try:
                self._generate(self._pipeline, guide)
                self._compiled.add(guide)
                good = True
            except Exception as error:
                # Its text would quote the guide.
                logger.error("A guide that was checked could not be compiled (%s).", type(error).__name__)
            self._grown += max(0, _resident() - before)
            done(good)

    def _generate(self, pipeline: Any, guide: Bound | None) -> None:
        pipeline.generate([self._prompt], [self._config(guide)])

    def _open(self, directory: str) -> Any:
        import openvino_genai as genai

        scheduler = genai.SchedulerConfig()
        scheduler.num_kv_blocks = _BLOCKS
        return genai.ContinuousBatchingPipeline(directory, self._tokenizer, scheduler, "CPU")


def _resident() -> int:
    """Bytes of memory that this process has; 0 where that is not told."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    except OSError:
        return 0
