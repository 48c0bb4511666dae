"""The request log: ids, sizes and times of every ended request, never its text."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

log = logging.getLogger(__name__)


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
    """Writes one line a step that ended requests, where `enabled` (option log_requests=sizes); counts them anyway."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled and log.isEnabledFor(logging.INFO)
        self.count = 0

    def ended(self, requests: Sequence[RequestSummary]) -> None:
        """Record requests that have had their last reply."""
        self.count += len(requests)
        if self._enabled and requests:
            log.info("ended: %s", "; ".join(map(_line, requests)))


def _line(request: RequestSummary) -> str:
    return (
        f"request {request.id} {request.reason} status {request.status} "
        f"{request.prompt_tokens}+{request.generated_tokens} tokens "
        f"first reply {request.first_reply_seconds:.3f} s total {request.total_seconds:.3f} s"
        + (f" decoding recovered {request.recoveries} times" if request.recoveries else "")
    )
