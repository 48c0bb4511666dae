"""The format `json`: one object when generation has ended (LMI v0.29 and later send it whole, as here)."""

from __future__ import annotations

from djl_trtllm.core import FinishReason, Request
from djl_trtllm.formats.base import Ending, Piece, details_json, error_members
from djl_trtllm.formats.token_json import TokenJson, quote


class JsonWriter:
    """`{"generated_text": ..., "details": {...}}`; details, with every token, if asked for.

    An error replaces the text with null, as in LMI: a whole answer is never a part of one.
    """

    __slots__ = ("_details", "_full_text", "_tokens", "content_type")

    def __init__(self, request: Request, tokens: TokenJson) -> None:
        self.content_type = "application/json"
        self._details = request.details
        self._full_text = request.return_full_text
        self._tokens = tokens

    def write(self, piece: Piece) -> str:  # noqa: ARG002
        """Return nothing: everything is written at the end."""
        return ""

    def line(self, token: int, text: str, log_prob: float | None) -> str:  # noqa: ARG002
        """Return nothing, as `write`."""
        return ""

    def end(self, piece: Piece | None, ending: Ending) -> str:  # noqa: ARG002
        """Return the object."""
        if ending.error is not None:
            details = details_json(ending, self._details)
            return f'{{"generated_text":null,{error_members(ending.error)},"details":{details}}}'
        text = quote(ending.prompt + ending.text if self._full_text else ending.text)
        if self._details:
            return f'{{"generated_text":{text},"details":{details_json(ending, True, self._all_tokens(ending))}}}'
        if ending.reason in (FinishReason.CANCELLED, FinishReason.ERROR):
            return f'{{"generated_text":{text},"details":{details_json(ending, False)}}}'
        return f'{{"generated_text":{text}}}'

    def _all_tokens(self, ending: Ending) -> str:
        logprobs = ending.logprobs or (None,) * len(ending.tokens)
        return f'"tokens":[{",".join(map(self._tokens.whole, ending.tokens, ending.texts, logprobs))}]'
