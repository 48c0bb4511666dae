"""One client's request from arrival to its last reply."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from djl_trtllm.core import FinishReason, Request, TokenChunk, Usage
from djl_trtllm.errors import DjlTrtllmError, InternalError
from djl_trtllm.formats.base import NO_TOKEN, Ending, Piece, Writer
from djl_trtllm.rolling_batch.text_stream import TextStream
from djl_trtllm.telemetry.requests import RequestSummary


@dataclass(slots=True)
class Reply:
    """A reply that is more than text in mid-stream: the first, the last, or an error.

    `error` is set only when the client has seen nothing yet; it then replaces `data` on the wire. `content_type`
    is set on whichever reply is the first.
    """

    data: str = ""
    last: bool = False
    error: DjlTrtllmError | None = None
    content_type: str = ""


class Slot:
    """A request's state: waiting for preparation, running, ending, done.

    The loop feeds it chunks and takes at most one reply a step from it. `begin` is called by whichever thread
    prepared the request, before its first chunk can exist; everything else is the loop's thread.
    """

    __slots__ = (
        "_begun",
        "_content_type",
        "_data",
        "_failure",
        "_flowing",
        "_line",
        "_logprobs",
        "_request",
        "_started",
        "_step",
        "_stream",
        "_texts",
        "_tokens",
        "_writer",
        "arrived",
        "ended",
        "finish",
        "first_reply",
        "generated",
        "id",
        "void",
    )

    def __init__(self, sequence_id: int) -> None:
        self.id = sequence_id
        self.void = False
        self.arrived = self.first_reply = time.monotonic()
        self.generated = 0
        self.finish: FinishReason | None = None
        self.ended = False
        """True once no chunk can change anything any more; replies may still be waiting to be taken."""
        self._data = ""
        self._begun = False
        self._line: Callable[[int, str, float | None], str] | None = None
        self._started = False
        self._flowing = False
        self._failure: DjlTrtllmError | None = None
        self._content_type = "application/json"

    def begin(self, request: Request, stream: TextStream, writer: Writer) -> None:
        """Attach what generation needs. `request` is admitted: limits and context are settled."""
        self._request = request
        self._stream = stream
        self._writer = writer
        self._content_type = writer.content_type
        self._texts: list[str] = []
        self._tokens: list[int] | None = [] if request.details else None
        self._logprobs: list[float] | None = [] if request.details and request.sampling.logprobs else None
        self._begun = True
        if stream.step is not None and not request.details:
            self._step, self._line = stream.step, writer.line

    def summary(self) -> RequestSummary:
        """Sizes and times for the request log; `prompt_tokens` is 0 for a request refused before it was counted."""
        return RequestSummary(
            id=self.id,
            reason=self.finish.value if self.finish else "",
            status=self._failure.status if self._failure else 200,
            prompt_tokens=len(self._request.prompt_ids) if self._begun else 0,
            generated_tokens=self.generated,
            first_reply_seconds=self.first_reply - self.arrived,
            total_seconds=time.monotonic() - self.arrived,
        )

    def feed(self, chunk: TokenChunk) -> bool:
        """Take news from the engine; True when nothing more is accepted: an ending, or a stop string."""
        tokens, line = chunk.tokens, self._line
        if line is None or len(tokens) != 1 or chunk.finish is not None or chunk.error is not None:
            self._feed(chunk)
            return self.ended
        # One token in mid-stream, where nothing is held back and no details are kept: it costs no lists.
        token, logprobs = tokens[0], chunk.logprobs
        text = self._step(token)
        self._texts.append(text)
        self._data += line(token, text, None if logprobs is None else logprobs[0])
        return False

    def _feed(self, chunk: TokenChunk) -> None:
        tokens = chunk.tokens
        if chunk.finish is None and chunk.error is None:
            piece = self._stream.push(tokens, chunk.logprobs)
            if self._stream.stopped:
                self._end(piece, FinishReason.STOP, None)
            elif piece is not None:
                self._keep(piece)
                self._data += self._writer.write(piece)
        else:
            self._last_chunk(chunk)

    def fail(self, error: DjlTrtllmError) -> None:
        """End the request with an error that did not come from the engine."""
        self._last_chunk(TokenChunk(self.id, error=error))

    def _last_chunk(self, chunk: TokenChunk) -> None:
        if not self._begun:
            self._refuse(chunk.error or InternalError("The request ended before it was started."))
            return
        piece = self._stream.finish(chunk.tokens, chunk.logprobs)
        if self._stream.stopped:
            self._end(piece, FinishReason.STOP, None)
        elif chunk.error is not None:
            self._end(piece, FinishReason.ERROR, chunk.error)
        else:
            self._end(piece, chunk.finish or FinishReason.ERROR, None)

    def _refuse(self, error: DjlTrtllmError) -> None:
        self.finish = FinishReason.ERROR
        self._failure = error
        self.ended = True
        self._flowing = False

    def _keep(self, piece: Piece) -> None:
        self._texts += piece.texts
        if self._tokens is not None:
            self._tokens += piece.tokens
            if self._logprobs is not None and piece.logprobs is not None:
                self._logprobs += piece.logprobs

    def _end(self, piece: Piece | None, reason: FinishReason, error: DjlTrtllmError | None) -> None:
        if error is not None and not self._started and not self._data:
            self._refuse(error)
            return
        if piece is not None:
            self._keep(piece)
        self.generated = len(self._texts)
        if piece is not None and piece.tokens[-1] == NO_TOKEN:
            self.generated -= 1
        self.finish = reason
        self._data += self._writer.end(piece, self._ending(reason, error))
        self.ended = True
        self._flowing = False

    def _ending(self, reason: FinishReason, error: DjlTrtllmError | None) -> Ending:
        return Ending(
            reason=reason,
            text="".join(self._texts),
            prompt=self._request.prompt,
            usage=Usage(len(self._request.prompt_ids), self.generated),
            tokens=self._tokens or (),
            texts=self._texts if self._tokens is not None else (),
            logprobs=self._logprobs,
            error=error,
        )

    @property
    def has_news(self) -> bool:
        """True when `take` would return a reply."""
        return self.ended or bool(self._data)

    def take(self, most: int) -> str | Reply | None:
        """The reply of this step: None for no news, text in mid-stream, or a `Reply`.

        `most` is the number of characters one item can carry; what is over it waits for the next step.
        """
        data = self._data
        if self._flowing and len(data) <= most:
            self._data = ""
            return data or None
        return self._take_carefully(data, most)

    def _take_carefully(self, data: str, most: int) -> str | Reply | None:
        """`take` for the first and the last reply, and for one that has to be cut."""
        if not data and not self.ended:
            return None
        self._data = data[most:]
        last = self.ended and not self._data
        if self._started:
            return Reply(data[:most], last=True) if last else data[:most]
        self._started = True
        self._flowing = not self.ended
        self.first_reply = time.monotonic()
        return Reply(data[:most], last, self._failure, self._content_type)


Replies = Sequence["str | Reply | None"]
"""One step's replies, in slot order. The slots whose reply is the last one are gone afterwards."""
