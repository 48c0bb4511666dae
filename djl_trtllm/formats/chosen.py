"""More sequences than the client gets: the likeliest ones are chosen when all have ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from djl_trtllm.core import Request
from djl_trtllm.formats.base import Ending, Piece, Response, Writer
from djl_trtllm.formats.silent import SILENT


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
        shown = [replace(ending, index=index) for index, ending in enumerate(chosen)]
        data = "".join([self._response.writer(e.index).end(_whole(e), e) for e in shown])
        return data + self._response.close(shown)

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
