"""One sequence of a client's request while the engine generates it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from djl_trtllm.core import Alternatives, FinishReason, Prompt, TokenChunk, Usage
from djl_trtllm.errors import DjlTrtllmError
from djl_trtllm.formats.base import NO_TOKEN, Ending, Piece, Writer
from djl_trtllm.rolling_batch.receiver import Receiver
from djl_trtllm.rolling_batch.text_stream import TextStream

if TYPE_CHECKING:
    from djl_trtllm.rolling_batch.slot import Slot


class Kept:
    """Tokens of the whole, for responses that show them at the end."""

    __slots__ = ("logprobs", "tokens", "tops")

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.logprobs: list[float] = []
        self.tops: list[Alternatives] = []

    def add(self, piece: Piece) -> None:
        """Take a piece's tokens."""
        self.tokens += piece.tokens
        if piece.logprobs is not None:
            self.logprobs += piece.logprobs
        if piece.tops is not None:
            self.tops += piece.tops


class LiveSequence(Receiver):
    """Takes the engine's chunks of one sequence and appends what they say to its owner's data.

    `waiting` until the first chunk. `ended` once no chunk can change anything any more. `texts` has one of each token
    up to now, `tokens` counts them at the end.
    """

    __slots__ = (
        "_decoder",
        "_kept",
        "_line",
        "_next_line",
        "_prompt_logprobs",
        "_score",
        "_scored",
        "_stream",
        "_writer",
        "ended",
        "id",
        "index",
        "owner",
        "prompt",
        "reason",
        "texts",
        "tokens",
        "waiting",
    )

    def __init__(
        self,
        sequence_id: int,
        index: int,
        owner: Slot,
        prompt: Prompt,
        stream: TextStream,
        writer: Writer,
        *,
        keeps_tokens: bool = False,
        scored: bool = False,
        plain: bool = True,
    ) -> None:
        """`scored` sums up log-probs. `plain` says that chunks bring at most tokens and log-probs."""
        self.id = sequence_id
        self.index = index
        self.prompt = prompt
        self.waiting = True
        self.ended = False
        self.tokens = 0
        self.reason: FinishReason | None = None
        self.owner = owner
        self._stream = stream
        self._writer = writer
        self.texts: list[str] = []
        self._kept = Kept() if keeps_tokens else None
        self._scored = scored
        self._score = 0.0
        self._prompt_logprobs: Sequence[float | None] | None = None
        self._line: Callable[[int, str, float | None], str] | None = None
        self._next_line: Callable[[int, str, float | None], str] | None = None
        if stream.decoder is not None and plain and not keeps_tokens and not scored:
            self._decoder, self._next_line = stream.decoder, writer.line

    @property
    def recoveries(self) -> int:
        """How often decoding had to start afresh."""
        return self._stream.recovered

    def feed(self, chunk: TokenChunk) -> bool:
        """Take news from the engine; True when nothing more is accepted: an ending, or a stop string."""
        tokens, line = chunk.tokens, self._line
        if line is None or len(tokens) != 1 or chunk.finish is not None or chunk.error is not None:
            self._feed(chunk)
            return self.ended
        # One token in mid-stream, where nothing is held back and no details are kept: it costs no lists.
        token, logprobs = tokens[0], chunk.logprobs
        text = self._decoder.look_up(token)
        if text is None:
            text = self._decoder.step(token)
        self.texts.append(text)
        self.owner.data += line(token, text, None if logprobs is None else logprobs[0])
        return False

    def fail(self, error: DjlTrtllmError) -> None:
        """End the sequence with an error that did not come from the engine."""
        self._last(TokenChunk(self.id, error=error))

    def abort(self, error: DjlTrtllmError) -> None:
        """End the whole request because its answer cannot be written."""
        self.ended = True
        self.owner.abort(error)

    def _feed(self, chunk: TokenChunk) -> None:
        if self.waiting:
            self.waiting = False
            self._line = self._next_line
            self._prompt_logprobs = chunk.prompt_logprobs
            if chunk.tokens:
                owner = self.owner
                owner.firsts.append(time.monotonic() - owner.arrived)
        if self._scored and chunk.logprobs:
            self._score += sum(chunk.logprobs)
        if chunk.finish is not None or chunk.error is not None:
            self._last(chunk)
            return
        piece = self._stream.push(chunk.tokens, chunk.logprobs, chunk.tops)
        if self._stream.stopped:
            self._end(piece, FinishReason.STOP, None)
        elif piece is not None:
            self._keep(piece)
            self.owner.data += self._writer.write(piece)

    def _last(self, chunk: TokenChunk) -> None:
        piece = self._stream.finish(chunk.tokens, chunk.logprobs, chunk.tops)
        if self._stream.stopped:
            self._end(piece, FinishReason.STOP, None)
        elif chunk.error is not None:
            self._end(piece, FinishReason.ERROR, chunk.error)
        else:
            self._end(piece, chunk.finish or FinishReason.ERROR, None)

    def _keep(self, piece: Piece) -> None:
        self.texts += piece.texts
        if self._kept is not None:
            self._kept.add(piece)

    def _end(self, piece: Piece | None, reason: FinishReason, error: DjlTrtllmError | None) -> None:
        if piece is not None:
            self._keep(piece)
        self.tokens = len(self.texts)
        if piece is not None and piece.tokens[-1] == NO_TOKEN:
            self.tokens -= 1
        self.reason = reason
        self.ended = True
        self.owner.ended(self, piece, self._ending(reason, error))

    def write_end(self, piece: Piece | None, ending: Ending) -> str:
        """Return what the sequence's writer says of its end."""
        return self._writer.end(piece, ending)

    def _ending(self, reason: FinishReason, error: DjlTrtllmError | None) -> Ending:
        kept = self._kept
        return Ending(
            reason=reason,
            text="".join(self.texts),
            prompt=self.prompt,
            usage=Usage(len(self.prompt.ids), self.tokens),
            tokens=kept.tokens if kept else (),
            texts=self.texts if kept else (),
            logprobs=kept.logprobs or None if kept else None,
            error=error,
            index=self.index,
            stop=self._stream.matched,
            tops=kept.tops or None if kept else None,
            prompt_logprobs=self._prompt_logprobs,
            score=self._score,
        )
