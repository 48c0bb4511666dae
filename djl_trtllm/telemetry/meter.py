"""The numbers that serving leaves behind: plain ones, noted once a step or once a request, never once a token.

What is noted is counted by `settle`, once a second: many values at a time cost a fraction of as many single ones. The
loop's thread writes, others read at any time: each number is right by itself, two of them may be a moment apart.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence

from djl_trtllm.telemetry.catalog import BETWEEN_TOKENS, FIRST_TOKEN, REQUEST, STEP
from djl_trtllm.telemetry.histogram import Histogram
from djl_trtllm.telemetry.requests import RequestSummary


class Meter:
    """Counts of one rolling batch.

    `firsts` takes, of each sequence that has its first token in the step that runs, the seconds since its request's
    arrival. `reasons` are of requests that ended without an error, as LMI's response schema calls them; `codes` are of
    the errors of the others.
    """

    __slots__ = (
        "_begun",
        "_busy",
        "_chunks",
        "_ended",
        "_gaps",
        "_last",
        "_step",
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
        self.first_token = Histogram(FIRST_TOKEN)
        self.between_tokens = Histogram(BETWEEN_TOKENS)
        self.queue = Histogram(REQUEST)
        self.total = Histogram(REQUEST)
        self.step = Histogram(STEP)
        self.reasons: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.cancelled = 0
        self.recoveries = 0
        self.prompted = 0
        self.generated = 0
        self._last = self._step = time.monotonic()
        self._busy: list[float] = []
        self._gaps: list[float] = []
        self._chunks: list[int] = []
        self._begun: list[float] = []
        self._ended: list[RequestSummary] = []

    def stepped(self, now: float, busy: float, heard: tuple[int, int, bool]) -> None:
        """Take note of a step that ends `now` and was `busy` for so many seconds.

        `heard` is how many chunks with tokens the engine brought, in how many batches, one a step of its own, and
        whether any sequence had tokens before.
        """
        self._busy.append(busy)
        chunks, batches, going = heard
        since = self._last if going else self._step
        self._step = now
        firsts = self.firsts
        if firsts:
            chunks -= len(firsts)
            if not going:
                # Nobody had tokens before: all of these are younger than the step before, and than their requests.
                since = max(since, now - min(firsts))
            self._begun += firsts
            firsts.clear()
            if chunks <= 0 and going:
                # The others were held up by the new ones, and their gap is not over yet.
                return
        if batches:
            if chunks > 0:
                self._gaps.append((now - since) / batches)
                self._chunks.append(chunks)
            self._last = now

    def ended(self, requests: Sequence[RequestSummary]) -> None:
        """Take note of requests that have had their last reply."""
        self._ended += requests

    def progressed(self, prompted: int, generated: int) -> None:
        """Count prompt and generated tokens of requests that run, as many as came since this was last called."""
        self.prompted += prompted
        self.generated += generated

    def settle(self) -> None:
        """Count what was noted."""
        self.step.observe(self._busy)
        self._busy = []
        if self._begun:
            self.first_token.observe(self._begun)
            self._begun = []
        if self._gaps:
            self.between_tokens.observe_weighted(self._gaps, self._chunks)
            self._gaps, self._chunks = [], []
        if self._ended:
            ended, self._ended = self._ended, []
            self._settle(ended)

    def _settle(self, ended: list[RequestSummary]) -> None:
        # Lists and one loop: attrgetters, `Counter.update` and a pass for each number cost twice as much.
        self.total.observe([request.total_seconds for request in ended])
        codes = [request.code for request in ended]
        good = ended
        if any(codes):
            self.codes.update(filter(None, codes))
            good = [request for request in ended if not request.code]
            ended = [request for request in ended if request.generated_tokens or not request.code]
        reasons = [request.reason for request in good]
        for reason in {*reasons}:
            self.reasons[reason] += reasons.count(reason)
        self.queue.observe([request.queue_seconds for request in ended])
        prompted, generated = 0, 0
        for request in ended:
            before = request.metered
            prompted += request.prompt_tokens - before[0]
            generated += request.generated_tokens - before[1]
        # Of one that was cut off, more may have been counted while it ran than there is in its end.
        self.prompted += max(prompted, 0)
        self.generated += max(generated, 0)
        self.recoveries += sum([request.recoveries for request in ended])
