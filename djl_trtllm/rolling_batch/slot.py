"""One client's request from arrival to its last reply."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from djl_trtllm.core import FinishReason, Request, TokenChunk
from djl_trtllm.errors import DjlTrtllmError, InternalError
from djl_trtllm.formats.base import Ending, Piece, Response
from djl_trtllm.formats.errors import error_body
from djl_trtllm.rolling_batch.defects import as_request_error
from djl_trtllm.rolling_batch.live_sequence import LiveSequence
from djl_trtllm.rolling_batch.receiver import Receiver
from djl_trtllm.telemetry.origin import NOWHERE, Origin
from djl_trtllm.telemetry.requests import RequestSummary


@dataclass(slots=True)
class Reply:
    """A reply that is more than text in mid-stream: the first, the last, or an error.

    `error` is set only when the client has seen nothing yet; it then replaces `data` on the wire. `content_type`
    and `warnings`, what was changed or ignored in the request, are set on whichever reply is the first.
    """

    data: str = ""
    last: bool = False
    error: DjlTrtllmError | None = None
    content_type: str = ""
    warnings: Sequence[str] = ()


class Slot(Receiver):
    """A request's state: waiting for preparation, running, ending, done.

    The loop feeds chunks to its sequences, which append to `data`, and takes at most one reply a step from it. `begin`
    is called by whichever thread prepared the request, before its first chunk can exist; everything else is the
    loop's thread. The first sequence that fails ends the request: its client gets one answer or one error.
    """

    __slots__ = (
        "_content_type",
        "_endings",
        "_failure",
        "_format",
        "_response",
        "_started",
        "_warnings",
        "arrived",
        "begun",
        "data",
        "error",
        "first_reply",
        "firsts",
        "flowing",
        "gone",
        "id",
        "metered",
        "origin",
        "over",
        "reason",
        "sequences",
        "void",
    )

    waiting = True
    """As of a sequence: one that stands for itself among those of the engine has had no tokens."""

    def __init__(self, slot_id: int, origin: Origin = NOWHERE, firsts: list[float] | None = None) -> None:
        """`firsts` takes, of each sequence, the seconds from the arrival to its first tokens."""
        self.id = slot_id
        self.origin = origin
        self.firsts: list[float] = [] if firsts is None else firsts
        self.metered = (0, 0)
        """Its prompt and generated tokens that the metrics have counted already."""
        self.void = False
        self.arrived = self.begun = self.first_reply = time.monotonic()
        self.error: DjlTrtllmError | None = None
        """What the request ended with, be it told in place of an answer or after some text."""
        self.reason: FinishReason | None = None
        self.over = False
        """True once no chunk can change anything any more; replies may still be waiting to be taken."""
        self.data = ""
        self.flowing = False
        """True in mid-stream, where `data` as it is, if it is not too long, is the next reply."""
        self.gone = False
        """True once the last reply was taken."""
        self.sequences: Sequence[LiveSequence] = ()
        self._endings: list[Ending] = []
        self._started = False
        self._failure: DjlTrtllmError | None = None
        self._content_type = "application/json"
        self._format = ""
        self._warnings: Sequence[str] = ()

    def begin(self, request: Request, response: Response, sequences: Sequence[LiveSequence]) -> None:
        """Attach what generation needs. `request` is admitted: limits and context are settled."""
        self._response = response
        self._content_type = response.content_type
        self._format = request.output_format
        self._warnings = request.warnings
        self.begun = time.monotonic()
        self.sequences = sequences

    def summary(self) -> RequestSummary:
        """Sizes and times for log and metrics; `prompt_tokens` is 0 for a request refused before it was counted."""
        prompt, prompt_tokens, generated_tokens, recoveries = None, 0, 0, 0
        for sequence in self.sequences:
            if sequence.prompt is not prompt:  # those of one prompt stand together
                prompt = sequence.prompt
                prompt_tokens += len(prompt.ids)
            generated_tokens += sequence.tokens
            recoveries += sequence.recoveries
        error = self.error
        now = time.monotonic()
        # By position: msgspec fills a struct so in less time than names would take.
        return RequestSummary(
            self.id,
            self.reason.value if self.reason else "",
            self._failure.status if self._failure else 200,
            prompt_tokens,
            generated_tokens,
            self.first_reply - self.arrived,
            now - self.arrived,
            recoveries,
            self.origin,
            now,
            self.begun - self.arrived,
            error.code if error else "",
            self._format,
            self.metered,
        )

    def so_far(self) -> tuple[int, int]:
        """Return the tokens of the prompts that the engine has gone through, and those generated up to now."""
        prompt, prompted, generated = None, 0, 0
        for sequence in self.sequences:
            if sequence.prompt is not prompt and not sequence.waiting:
                prompt = sequence.prompt
                prompted += len(prompt.ids)
            generated += sequence.tokens or len(sequence.texts)
        return prompted, generated

    def release(self) -> None:
        """Let go of the sequences, which know their slot and so would stay until the next garbage collection."""
        self.sequences = ()

    def feed(self, chunk: TokenChunk) -> bool:
        """Take the refusal of a request that has not begun; chunks of one that has go to its sequences."""
        self.fail(chunk.error or InternalError("The request ended before it was started."))
        return True

    def fail(self, error: DjlTrtllmError) -> None:
        """End the request with an error that did not come from the engine."""
        first = next((sequence for sequence in self.sequences if not sequence.ended), None)
        if first is None:
            self._refuse(error)
            return
        try:
            first.fail(error)
        except Exception as defect:
            self.abort(as_request_error(defect, "ending an answer"))

    def abort(self, error: DjlTrtllmError) -> None:
        """End the request because its answer cannot be written: with an error, or a last line that is one."""
        if self._started or self.data:
            self.data += error_body(error) + "\n"
        else:
            self._failure = error
        self.error = error
        self._end(FinishReason.ERROR)

    def ended(self, sequence: LiveSequence, piece: Piece | None, ending: Ending) -> None:
        """Take the end of one of the sequences; the last one, or one with an error, ends the request."""
        error = ending.error
        if error is not None and not self._started and not self.data:
            self._refuse(error)
            return
        self.data += sequence.write_end(piece, ending)
        self._endings.append(ending)
        if error is not None or len(self._endings) == len(self.sequences):
            self.error = error
            self._endings.sort(key=lambda ending: ending.index)
            self.data += self._response.close(self._endings)
            self._end(FinishReason.ERROR if error is not None else self._endings[0].reason)

    def _refuse(self, error: DjlTrtllmError) -> None:
        self._failure = self.error = error
        self._end(FinishReason.ERROR)

    def _end(self, reason: FinishReason) -> None:
        self.reason = reason
        self.over = True
        self.flowing = False

    @property
    def has_news(self) -> bool:
        """True when `take` would return a reply."""
        return self.over or bool(self.data)

    def take(self, most: int) -> str | Reply | None:
        """The reply of this step: None for no news, text in mid-stream, or a `Reply`.

        `most` is the number of characters one item can carry; what is over it waits for the next step.
        """
        data = self.data
        if self.flowing and len(data) <= most:
            self.data = ""
            return data or None
        return self._take_carefully(data, most)

    def _take_carefully(self, data: str, most: int) -> str | Reply | None:
        """`take` for the first and the last reply, and for one that has to be cut."""
        if not data and not self.over:
            return None
        self.data = data[most:]
        last = self.gone = self.over and not self.data
        if self._started:
            return Reply(data[:most], last=True) if last else data[:most]
        self._started = True
        self.flowing = not self.over
        self.first_reply = time.monotonic()
        return Reply(data[:most], last, self._failure, self._content_type, self._warnings)


Replies = Sequence["str | Reply | None"]
"""One step's replies, in slot order. The slots whose reply is the last one are gone afterwards."""
