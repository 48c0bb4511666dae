"""The numbers that serving leaves behind: plain ones, changed once a step or once a request, never once a token.

The loop's thread writes, others read at any time: each number is right by itself, two of them may be a step apart.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from djl_trtllm.telemetry import catalog
from djl_trtllm.telemetry.histogram import Histogram
from djl_trtllm.telemetry.requests import RequestSummary

SUCCESSES = {"eos_token": "stop", "stop_sequence": "stop", "length": "length"}
"""How vLLM calls the reasons of an end, by how LMI's response schema does."""


class Meter:
    """Counts of one rolling batch. `firsts` takes the seconds to each sequence's first token, see `heard`."""

    __slots__ = (
        "_last",
        "between_tokens",
        "cancelled",
        "codes",
        "first_token",
        "firsts",
        "generated",
        "prompted",
        "queue",
        "reasons",
        "recoveries",
        "step",
        "total",
    )

    def __init__(self) -> None:
        self.firsts: list[float] = []
        self.first_token = Histogram(catalog.FIRST_TOKEN)
        self.between_tokens = Histogram(catalog.BETWEEN_TOKENS)
        self.queue = Histogram(catalog.REQUEST)
        self.total = Histogram(catalog.REQUEST)
        self.step = Histogram(catalog.STEP)
        self.reasons: Counter[str] = Counter(dict.fromkeys(SUCCESSES.values(), 0))
        self.codes: Counter[str] = Counter()
        self.cancelled = 0
        self.recoveries = 0
        self.prompted = 0
        self.generated = 0
        self._last = time.monotonic()

    def heard(self, chunks: int, batches: int, running: int) -> None:
        """Take note of what the engine brought: `chunks` with tokens in `batches`, one a step of the engine.

        `running` sequences have not ended. Those whose first token it was stand in `firsts`.
        """
        now = time.monotonic()
        firsts = self.firsts
        if firsts:
            chunks -= len(firsts)
            for seconds in firsts:
                self.first_token.observe(seconds)
            if chunks <= 0 and running > len(firsts):
                # The others were held up by the new ones, and their gap is not over yet.
                firsts.clear()
                return
            firsts.clear()
        if chunks > 0:
            self.between_tokens.observe((now - self._last) / batches, chunks)
        self._last = now

    def progressed(self, before: tuple[int, int], now: tuple[int, int]) -> tuple[int, int]:
        """Count the prompt and generated tokens that a running request has `now` and had not `before`; return `now`."""
        self.prompted += now[0] - before[0]
        self.generated += now[1] - before[1]
        return now

    def ended(self, requests: Sequence[RequestSummary]) -> None:
        """Count requests that have had their last reply."""
        for request in requests:
            self.total.observe(request.total_seconds)
            if request.code:
                self.codes[request.code] += 1
            else:
                self.reasons[SUCCESSES.get(request.reason, request.reason)] += 1
            if request.generated_tokens or not request.code:
                self.queue.observe(request.queue_seconds)
                prompted, generated = request.metered
                # Of one that was cut off, more may have been counted while it ran than there is in its end.
                self.prompted += max(request.prompt_tokens - prompted, 0)
                self.generated += max(request.generated_tokens - generated, 0)
            if request.recoveries:
                self.recoveries += request.recoveries
