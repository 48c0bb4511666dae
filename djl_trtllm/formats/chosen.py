"""More sequences than the client gets: the likeliest ones are chosen when all have ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from djl_trtllm.core import Request
from djl_trtllm.formats.base import Ending, Piece, Response, Writer
from djl_trtllm.formats.openai import Envelope
from djl_trtllm.formats.silent import SILENT


@runtime_checkable
class HasEnvelope(Protocol):
    """A response that counts tokens, also those that nobody sees."""

    envelope: Envelope


class Chosen:
    """Says nothing before the end; then shows a response the `n` likeliest sequences of each prompt, best first.

    The likeliest is the one with the greatest sum of log-probs, as in TGI and OpenAI's `best_of`.
    """

    __slots__ = ("_n", "_of", "_response", "content_type", "keeps_tokens")

    def __init__(self, request: Request, response: Response) -> None:
        self._n, self._of = request.n, request.sequences
        self._response = response
        self.content_type = response.content_type
        self.keeps_tokens = True

    def writer(self, index: int) -> Writer:  # noqa: ARG002
        """Return one that says nothing."""
        return SILENT

    def close(self, endings: Sequence[Ending]) -> str:
        """Return the whole response."""
        failed = next((ending for ending in endings if ending.error is not None), None)
        chosen = [failed] if failed is not None else self._likeliest(endings)
        if isinstance(self._response, HasEnvelope):
            generated = [sum(e.usage.generated_tokens for e in some) for some in (endings, chosen)]
            self._response.envelope.unseen = generated[0] - generated[1]
        ends = [self._response.writer(index).end(_whole(e), e) for index, e in enumerate(chosen)]
        return "".join(ends) + self._response.close(chosen)

    def _likeliest(self, endings: Sequence[Ending]) -> list[Ending]:
        chosen: list[Ending] = []
        for first in range(0, len(endings), self._of):
            of_prompt = endings[first : first + self._of]
            chosen += sorted(of_prompt, key=lambda ending: (-ending.score, ending.index))[: self._n]
        return chosen


def _whole(ending: Ending) -> Piece | None:
    if not ending.tokens:
        return None
    return Piece(ending.tokens, ending.texts, ending.logprobs, ending.tops)
