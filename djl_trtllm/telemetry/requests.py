"""The request log: ids, sizes and times of every ended request, never its text."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence

import msgspec

from djl_trtllm.telemetry import origin
from djl_trtllm.telemetry.origin import NOWHERE, Origin
from djl_trtllm.telemetry.told import Encode, Told

log = logging.getLogger(__name__)

SECONDS = 1.0
"""A request waits at most so long for others."""

MOST = 64
"""Requests that are written at once."""


class RequestSummary(msgspec.Struct, gc=False):
    """One ended request. Times are seconds since its arrival; `status` is what the client's error says, or 200.

    `recoveries` counts how often decoding its text had to start afresh, as after odd runs of bytes. `origin` is what
    DJL or the client calls it, and its place in a trace; `ended` is on the clock of `time.monotonic`. `queue_seconds`
    is how long it took until its sequences were ready for the engine, 0 where they never were. `code` is the stable
    code of the error that it ended with, also after some text; empty where none. `format` names the response format.
    `metered` are those of its prompt and generated tokens that the metrics counted while it ran.
    """

    id: int
    reason: str
    status: int
    prompt_tokens: int
    generated_tokens: int
    first_reply_seconds: float
    total_seconds: float
    recoveries: int = 0
    origin: Origin = NOWHERE
    ended: float = 0.0
    queue_seconds: float = 0.0
    code: str = ""
    format: str = ""
    metered: tuple[int, int] = (0, 0)


class RequestLog:
    """Writes a line of every request that ended, where `enabled` (option log_requests=sizes); counts them anyway.

    A record costs as much as seven tokens, so under load one is written a second, or for `MOST` requests, and not one a
    step; it has a line for each request. `waiting` are those not written yet: `pass_on` is to be called while there are
    any, in every step. `origin` reads what the lines say of where a request comes from.
    """

    def __init__(
        self,
        enabled: bool,
        read: origin.Read | None = None,
        also: Callable[[Sequence[RequestSummary]], None] | None = None,
    ) -> None:
        """`also` hears of requests that ended, in the loop's thread, whether they are written or not."""
        self._also = also
        self._enabled = enabled and log.isEnabledFor(logging.INFO)
        self._written = -math.inf
        self.origin: origin.Read = read or (origin.identified if self._enabled else origin.unread)
        self.waiting: list[RequestSummary] = []
        self.count = 0

    def ended(self, requests: Sequence[RequestSummary]) -> None:
        """Record requests that have had their last reply."""
        self.count += len(requests)
        if self._also is not None:
            self._also(requests)
        if self._enabled:
            self.waiting += requests

    def pass_on(self, *, idle: bool) -> None:
        """Write what waits if it is time, and in any case where nothing runs: there may be no next step then."""
        now = time.monotonic()
        if self.waiting and (idle or len(self.waiting) >= MOST or now - self._written >= SECONDS):
            for at in range(0, len(self.waiting), MOST):
                log.info(Ended(self.waiting[at : at + MOST], now))
            self._written = now
            self.waiting = []


class Ended(Told):
    """The message about requests that ended. `now` is when it was made, on the clock of `time.monotonic`."""

    __slots__ = ("_now", "_requests")
    searched = False

    def __init__(self, requests: Sequence[RequestSummary], now: float) -> None:
        self._requests = requests
        self._now = now

    def lines(self) -> Sequence[str]:
        """Return a line for each request."""
        return list(map(_line, self._requests, self._ids()))

    def objects(self, encode: Encode) -> Iterator[str]:
        """Yield a JSON line for each request, at the time when it ended."""
        for request, named in zip(self._requests, self._ids(), strict=True):
            yield encode("request ended", _fields(request, named), max(self._now - request.ended, 0.0))

    def _ids(self) -> list[str]:
        return origin.all_legible([request.origin[0] for request in self._requests])


class _Fields(msgspec.Struct, omit_defaults=True, gc=False):
    request: int
    reason: str
    status: int
    prompt_tokens: int
    generated_tokens: int
    first_reply_seconds: float
    total_seconds: float
    queue_seconds: float
    code: str = ""
    request_id: str = ""
    trace_id: str = ""
    decode_recoveries: int = 0


def _fields(request: RequestSummary, named: str) -> _Fields:
    return _Fields(
        request.id,
        request.reason,
        request.status,
        request.prompt_tokens,
        request.generated_tokens,
        _micro(request.first_reply_seconds),
        _micro(request.total_seconds),
        _micro(request.queue_seconds),
        request.code,
        named,
        request.origin[1][3:35],
        request.recoveries,
    )


def _micro(seconds: float) -> float:
    """Round to microseconds, in half the time that `round` takes."""
    return int(seconds * 1e6 + 0.5) / 1e6


_LINE = "request %d%s %s status %d %d+%d tokens first reply %.3f s total %.3f s%s"


def _line(request: RequestSummary, named: str) -> str:
    recoveries = request.recoveries
    return _LINE % (
        request.id,
        " (" + named + ")" if named else "",
        request.reason,
        request.status,
        request.prompt_tokens,
        request.generated_tokens,
        request.first_reply_seconds,
        request.total_seconds,
        f" decoding recovered {recoveries} times" if recoveries else "",
    )
