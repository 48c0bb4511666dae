"""What a response format is given, and what it must be able to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from djl_trtllm.core import Alternatives, FinishReason, Prompt, Usage
from djl_trtllm.errors import DjlTrtllmError

NO_TOKEN = -1
"""The token id of a line that belongs to no token: a tail decoded after the last one, or an ending without one."""


@dataclass(slots=True)
class Piece:
    """New tokens of one sequence and the text each of them released, "" where it released none.

    The texts of all pieces, joined, are the generated text. Log-probs are natural logarithms, one per token; `tops`
    are the alternatives of each token, where they were asked for.
    """

    tokens: Sequence[int]
    texts: Sequence[str]
    logprobs: Sequence[float] | None
    tops: Sequence[Alternatives] | None = None


@dataclass(slots=True)
class Ending:
    """How one sequence ended, and the whole of it: `text` is all generated text, cut as stop strings want it.

    `index` counts the sequences of a request: those of the first prompt first. `stop` is the stop string that was met.
    `tokens`, `texts`, `logprobs` and `tops` of the whole are there only if the response keeps them; `score` is the sum
    of all log-probs where several sequences of a prompt are kept. `prompt_logprobs` as in `TokenChunk`.
    """

    reason: FinishReason
    text: str
    prompt: Prompt
    usage: Usage
    tokens: Sequence[int] = ()
    texts: Sequence[str] = ()
    logprobs: Sequence[float] | None = None
    error: DjlTrtllmError | None = None
    index: int = 0
    stop: str | None = None
    tops: Sequence[Alternatives] | None = None
    prompt_logprobs: Sequence[float | None] | None = None
    score: float = 0.0


class Writer(Protocol):
    """Writes one sequence's share of a response. Not shared between threads."""

    def write(self, piece: Piece) -> str:
        """Return the data to send for a piece in mid-stream, "" for none."""
        ...

    def line(self, token: int, text: str, log_prob: float | None) -> str:
        """Return what `write` returns for a piece of this one token: the common case, at a third of the price."""
        ...

    def end(self, piece: Piece | None, ending: Ending) -> str:
        """Return the sequence's last data. `piece` are the last tokens, if any came with the ending."""
        ...


class Response(Protocol):
    """Writes one request's response. Made per request; not shared between threads.

    `keeps_tokens` asks for the tokens of the whole in every `Ending`.
    """

    content_type: str
    keeps_tokens: bool

    def writer(self, index: int) -> Writer:
        """Return the writer of one sequence; called once for each, in order."""
        ...

    def close(self, endings: Sequence[Ending]) -> str:
        """Return what follows when all sequences have ended, or one with an error: their endings, by index.

        Together with what the last writer's `end` returned it is never empty.
        """
        ...
