"""The request log: ids, sizes and times of every ended request, never its text."""

from __future__ import annotations

import logging
from dataclasses import dataclass

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RequestSummary:
    """One ended request. Times are seconds since its arrival; `status` is what the client's error says, or 200."""

    id: int
    reason: str
    status: int
    prompt_tokens: int
    generated_tokens: int
    first_reply_seconds: float
    total_seconds: float


class RequestLog:
    """Writes one line a request where `enabled` (option log_requests=sizes), and counts them either way."""

    def __init__(self, enabled: bool) -> None:
        self._enabled = enabled and log.isEnabledFor(logging.INFO)
        self.count = 0

    def ended(self, request: RequestSummary) -> None:
        """Record one request that has had its last reply."""
        self.count += 1
        if self._enabled:
            log.info(
                "request %d: %s, status %d, %d + %d tokens, first reply %.3f s, total %.3f s",
                request.id,
                request.reason,
                request.status,
                request.prompt_tokens,
                request.generated_tokens,
                request.first_reply_seconds,
                request.total_seconds,
            )
