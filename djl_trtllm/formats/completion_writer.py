"""The chunks of one choice of OpenAI's completions."""

from __future__ import annotations

from djl_trtllm.formats.base import Ending, Piece
from djl_trtllm.formats.openai import FINISH, Envelope
from djl_trtllm.formats.quoting import quote
from djl_trtllm.formats.text_logprobs import TextLogprobs, lists


class CompletionWriter:
    """The chunks of one choice. Tokens without text make none, unless their log-probs were asked for."""

    __slots__ = ("_closing", "_echo", "_envelope", "_index", "_logprobs", "_opening")

    def __init__(self, index: int, echo: str, envelope: Envelope, logprobs: TextLogprobs | None) -> None:
        """`echo` comes in front of the first chunk's text."""
        self._index = index
        self._echo = echo
        self._envelope = envelope
        self._logprobs = logprobs
        self._opening = envelope.head + '{"text":'
        self._closing = f',"index":{index},"logprobs":null,"finish_reason":null}}{envelope.tail}'

    def write(self, piece: Piece) -> str:
        """Return the piece's chunk."""
        text = "".join(piece.texts)
        if self._echo:
            text, self._echo = self._echo + text, ""
        if self._logprobs is None:
            return f"{self._opening}{quote(text)}{self._closing}" if text else ""
        rows = self._logprobs.piece(piece.tokens, piece.texts, piece.logprobs, piece.tops)
        if not rows and not text:
            return ""
        return (
            f'{self._opening}{quote(text)},"index":{self._index},"logprobs":{lists(rows)},'
            f'"finish_reason":null}}{self._envelope.tail}'
        )

    def line(self, token: int, text: str, log_prob: float | None) -> str:
        """Return the token's chunk."""
        if self._echo or self._logprobs is not None:
            return self.write(Piece((token,), (text,), None if log_prob is None else (log_prob,)))
        return f"{self._opening}{quote(text)}{self._closing}" if text else ""

    def end(self, piece: Piece | None, ending: Ending) -> str:
        """Return the remaining text, and a chunk with the finish reason, and the error if there is one."""
        data = self.write(piece or Piece((), (), None))
        finish = FINISH[ending.reason]
        choice = f'{{"text":"","index":{self._index},"logprobs":null,"finish_reason":"{finish}"}}'
        if ending.error is not None:
            return data + self._envelope.failed(choice, ending.error)
        return data + self._envelope.head + choice + self._envelope.tail
