"""What a response format is given, and what it must be able to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from djl_trtllm.core import FinishReason, Usage
from djl_trtllm.errors import DjlTrtllmError
from djl_trtllm.formats.token_json import quote

NO_TOKEN = -1
"""The token id of a line that belongs to no token: a tail decoded after the last one, or an ending without one."""


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

    def line(self, token: int, text: str, log_prob: float | None) -> str:
        """Return what `write` returns for a piece of this one token: the common case, at a third of the price."""
        ...

    def end(self, piece: Piece | None, ending: Ending) -> str:
        """Return the last data, never empty. `piece` are the last tokens, if any came with the ending."""
        ...


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
