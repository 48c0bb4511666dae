"""The request log: ids, sizes and times of every ended request, never its text."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)

SECONDS = 1.0
"""A line waits at most so long for others."""

MOST = 64
"""Requests of one line."""


@dataclass(slots=True)
class RequestSummary:
    """One ended request. Times are seconds since its arrival; `status` is what the client's error says, or 200.

    `recoveries` counts how often decoding its text had to start afresh, as after odd runs of bytes.
    """

    id: int
    reason: str
    status: int
    prompt_tokens: int
    generated_tokens: int
    first_reply_seconds: float
    total_seconds: float
    recoveries: int = 0


class RequestLog:
    """Writes of requests that ended, where `enabled` (option log_requests=sizes); counts them anyway.

    A line costs as much as seven tokens, so under load there is one a second, or one for `MOST` requests, and not one
    a step. `waiting` are those not written yet: `pass_on` is to be called while there are any, in every step.
    """

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled and log.isEnabledFor(logging.INFO)
        self._written = -math.inf
        self.waiting: list[RequestSummary] = []
        self.count = 0

    def ended(self, requests: Sequence[RequestSummary]) -> None:
        """Record requests that have had their last reply."""
        self.count += len(requests)
        if self._enabled:
            self.waiting += requests

    def pass_on(self, *, idle: bool) -> None:
        """Write what waits if it is time, and in any case where nothing runs: there may be no next step then."""
        now = time.monotonic()
        if self.waiting and (idle or len(self.waiting) >= MOST or now - self._written >= SECONDS):
            log.info("ended: %s", "; ".join(map(_line, self.waiting)))
            self._written = now
            self.waiting = []


def _line(request: RequestSummary) -> str:
    return (
        f"request {request.id} {request.reason} status {request.status} "
        f"{request.prompt_tokens}+{request.generated_tokens} tokens "
        f"first reply {request.first_reply_seconds:.3f} s total {request.total_seconds:.3f} s"
        + (f" decoding recovered {request.recoveries} times" if request.recoveries else "")
    )
