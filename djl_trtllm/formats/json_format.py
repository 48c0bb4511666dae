"""The format `json`: one object when generation has ended (LMI v0.29 and later send it whole, as here)."""

from __future__ import annotations

from djl_trtllm.core import FinishReason, Request
from djl_trtllm.formats.base import Ending, Piece, details_json, error_members, quote, token_json


class JsonWriter:
    """`{"generated_text": ..., "details": {...}}`; details, with every token, if asked for.

    An error replaces the text with null, as in LMI: a whole answer is never a part of one.
    """

    __slots__ = ("_details", "_full_text", "_special_ids", "content_type")

    def __init__(self, request: Request, special_ids: frozenset[int]) -> None:
        self.content_type = "application/json"
        self._details = request.details
        self._full_text = request.return_full_text
        self._special_ids = special_ids

    def write(self, piece: Piece) -> str:  # noqa: ARG002
        """Return nothing: everything is written at the end."""
        return ""

    def end(self, piece: Piece | None, ending: Ending) -> str:  # noqa: ARG002
        """Return the object."""
        if ending.error is not None:
            details = details_json(ending, self._details)
            return f'{{"generated_text":null,{error_members(ending.error)},"details":{details}}}'
        text = quote(ending.prompt + ending.text if self._full_text else ending.text)
        if self._details:
            return f'{{"generated_text":{text},"details":{details_json(ending, True, self._tokens(ending))}}}'
        if ending.reason in (FinishReason.CANCELLED, FinishReason.ERROR):
            return f'{{"generated_text":{text},"details":{details_json(ending, False)}}}'
        return f'{{"generated_text":{text}}}'

    def _tokens(self, ending: Ending) -> str:
        logprobs = ending.logprobs or (None,) * len(ending.tokens)
        tokens = [
            token_json(token, text, log_prob, self._special_ids)
            for token, text, log_prob in zip(ending.tokens, ending.texts, logprobs, strict=True)
        ]
        return f'"tokens":[{",".join(tokens)}]'
