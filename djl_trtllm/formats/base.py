"""What a response format is given, and what it must be able to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Protocol

from djl_trtllm.core import FinishReason, Usage
from djl_trtllm.errors import DjlTrtllmError

quote = encode_basestring
"""A JSON string from text, non-ASCII characters as they are; implemented in C."""

NO_TOKEN = -1
"""The token id of a line that belongs to no token."""

_LEAST, _MOST = -1e30, 1e30


@dataclass(slots=True)
class Piece:
    """New tokens and the text each of them released, "" where it released none.

    The texts of all pieces, joined, are the generated text. Log-probs are natural logarithms, one per token.
    """

    tokens: Sequence[int]
    texts: Sequence[str]
    logprobs: Sequence[float] | None


@dataclass(slots=True)
class Ending:
    """How a request ended, and the whole of it: `text` is all generated text, a stop string and what follows cut off.

    `tokens`, `texts` and `logprobs` of the whole are there only if the client asked for details.
    """

    reason: FinishReason
    text: str
    prompt: str
    usage: Usage
    tokens: Sequence[int] = ()
    texts: Sequence[str] = ()
    logprobs: Sequence[float] | None = None
    error: DjlTrtllmError | None = None


class Writer(Protocol):
    """Writes one request's response. Made per request; not shared between threads."""

    content_type: str

    def write(self, piece: Piece) -> str:
        """Return the data to send for a piece in mid-stream, "" for none."""
        ...

    def end(self, piece: Piece | None, ending: Ending) -> str:
        """Return the last data, never empty. `piece` are the last tokens, if any came with the ending."""
        ...


def token_json(token: int, text: str, log_prob: float | None, special_ids: frozenset[int]) -> str:
    """One token as LMI shows it. The key log_prob is always there, null where none was asked for or it is no number.

    Seven digits are what a 32-bit float has; writing all 17 would cost more than the rest of a line.
    """
    mark = ',"special_token":true' if token in special_ids else ""
    if log_prob is not None and _LEAST < log_prob < _MOST:
        return f'{{"id":{token},"text":{quote(text)},"log_prob":{log_prob:.7g}{mark}}}'
    return f'{{"id":{token},"text":{quote(text)},"log_prob":null{mark}}}'


def details_json(ending: Ending, inputs: bool, *more: str) -> str:
    """The object `details`. `more` are further members as JSON text, put at its end."""
    members = [
        f'"finish_reason":"{ending.reason.value}"',
        f'"generated_tokens":{ending.usage.generated_tokens}',
        *([f'"inputs":{quote(ending.prompt)}'] if inputs else []),
        *more,
    ]
    return "{" + ",".join(members) + "}"


def error_members(error: DjlTrtllmError) -> str:
    """Members that describe an error, the same in every format."""
    retryable = "true" if error.retryable else "false"
    return (
        f'"error":{quote(str(error))},"code":{error.status},'
        f'"error_code":{quote(error.code)},"retryable":{retryable}'
    )
