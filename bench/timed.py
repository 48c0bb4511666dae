"""An engine whose steps take a fixed time, in a thread, as the reader of TensorRT-LLM's executor is one.

A step sleeps, which leaves the interpreter to others as a GPU's step does, then delivers a token of every sequence;
the next step begins when that is done. So Python that keeps the thread waiting lengthens the step.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from bench import workload
from bench.ours import PreparedEngine, Run
from djl_trtllm.core import EngineRequest, Inbox, Limit, Limits


class TimedEngine(PreparedEngine):
    """A `PreparedEngine` that runs by itself. `seconds` is the time of a step, to be set while nothing runs.

    `submitted` and `delivered` are when sequences last came and when the first tokens of those had been delivered.
    """

    def __init__(self, answers: Sequence[workload.Sequence], context: int = 8192) -> None:
        super().__init__(answers, workload.tokenizer().get_vocab_size())
        size, sequences = Limit(context, "the bench"), Limit(999, "the bench")
        tokens = Limit(999 * context, "the bench")
        self.limits = Limits(size, size, size, sequences, tokens, self.limits.vocab_size)
        self.seconds = 0.0
        self.submitted = self.delivered = 0.0
        self._fresh = False
        self._work = threading.Condition()

    def open(self, inbox: Inbox) -> None:
        super().open(inbox)
        threading.Thread(target=self._loop, name="timed-engine", daemon=True).start()

    def submit(self, requests: Sequence[EngineRequest]) -> None:
        with self._work:
            self.submitted = time.perf_counter()
            for request in requests:
                answer = next(self.answers)
                wanted = request.sampling.max_new_tokens
                cut = workload.Sequence(answer.ids[:wanted], answer.texts[:wanted], answer.logprobs[:wanted])
                self.running.append(Run(request.id, cut, request.sampling.logprobs))
            self._fresh = True
            self._work.notify()

    def _loop(self) -> None:
        while True:
            with self._work:
                while not self.running:
                    self._work.wait()
            time.sleep(self.seconds)
            with self._work:
                fresh, self._fresh = self._fresh, False
                self.advance()
                if fresh:
                    self.delivered = time.perf_counter()
