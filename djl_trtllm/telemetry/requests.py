"""The request log: ids, sizes and times of every ended request, never its text."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from math import floor

import msgspec

from djl_trtllm.telemetry import origin
from djl_trtllm.telemetry.origin import NOWHERE, Origin
from djl_trtllm.telemetry.told import Encode, Told

log = logging.getLogger(__name__)

MOST = 128
"""Requests that are written at once."""

_encode_lines = msgspec.json.Encoder().encode_lines
_ENDED = "request ended"
_EMPTY = msgspec.Raw(b"")


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
    step; it has a line for each request. `waiting` are those not written yet: `pass_on` is to be called once a second,
    and where nothing runs any more. `origin` reads what the lines say of where a request comes from.
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
        self.origin: origin.Read = read or (origin.identified if self._enabled else origin.unread)
        self.waiting: list[RequestSummary] = []
        self.count = 0
        self._fields = vars(log.makeRecord(log.name, logging.INFO, __file__, 0, "", (), None))

    def ended(self, requests: Sequence[RequestSummary]) -> None:
        """Record requests that have had their last reply."""
        self.count += len(requests)
        if self._also is not None:
            self._also(requests)
        if self._enabled:
            self.waiting += requests
            if len(self.waiting) >= MOST:
                self.pass_on()

    def pass_on(self) -> None:
        """Write what waits."""
        if not self.waiting:
            return
        now = time.monotonic()
        for at in range(0, len(self.waiting), MOST):
            self._write(Ended(self.waiting[at : at + MOST], now))
        self.waiting = []

    def _write(self, message: Ended) -> None:
        """As `log.info`, but caller, thread and process are looked up once, which costs as much as three tokens."""
        record = logging.LogRecord.__new__(logging.LogRecord)
        record.__dict__ = {**self._fields, "msg": message, "created": time.time()}
        log.handle(record)


class Ended(Told):
    """The message about requests that ended. `now` is when it was made, on the clock of `time.monotonic`."""

    __slots__ = ("_now", "_requests")
    searched = False

    def __init__(self, requests: Sequence[RequestSummary], now: float) -> None:
        self._requests = requests
        self._now = now

    def lines(self) -> Sequence[str]:
        """Return a line for each request."""
        return self.text("").split("\n")

    def text(self, prefix: str) -> str:
        """Return the lines of the text format: what `encode_lines` makes is ASCII, with one break after each object."""
        before = f"\n{prefix}{_ENDED} ".encode()
        # The empty line in front gives the first object its prefix too, without a copy of all.
        lines = _encode_lines([_EMPTY, *self._sizes()]).replace(b"\n", before)
        return str(memoryview(lines)[1 : -len(before)], "ascii")

    def objects(self, encode: Encode) -> Iterator[str]:
        """Yield a JSON line for each request, at the time when it ended."""
        for request, sizes in zip(self._requests, self._sizes(), strict=True):
            yield encode(_ENDED, sizes, max(self._now - request.ended, 0.0))

    def _sizes(self) -> list[_Sizes]:
        named = origin.all_legible([request.origin[0] for request in self._requests])
        # By position and in place: names, a call for each, and `int` for `floor` took a third more.
        return [
            _Sizes(
                request.id,
                request.reason,
                request.status,
                request.prompt_tokens,
                request.generated_tokens,
                floor(request.first_reply_seconds * 1e3),
                floor(request.total_seconds * 1e3),
                floor(request.queue_seconds * 1e3) if request.queue_seconds >= _MILLI else 0,
                request.code,
                request_id,
                request.origin[1] and request.origin[1][3:35],
                request.recoveries,
            )
            for request, request_id in zip(self._requests, named, strict=True)
        ]


class _Sizes(msgspec.Struct, omit_defaults=True, gc=False):
    """What is written of a request, in both formats; times in whole milliseconds, as a float's digits cost more."""

    request: int
    reason: str
    status: int
    prompt_tokens: int
    generated_tokens: int
    first_reply_ms: int
    total_ms: int
    queue_ms: int = 0
    code: str = ""
    request_id: str = ""
    trace_id: str = ""
    decode_recoveries: int = 0


_MILLI = 1e-3
