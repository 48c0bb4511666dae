"""The format `jsonlines`: a line per token as it comes, the last one with the whole text and how it ended."""

from __future__ import annotations

from djl_trtllm.core import FinishReason, Request
from djl_trtllm.formats.base import NO_TOKEN, Ending, Piece, details_json, error_members
from djl_trtllm.formats.token_json import LEAST, MOST, TokenJson, quote

_CLOSING_TOKEN = '{"token":{"id":%d,"text":"","log_prob":-1,"special_token":true}' % NO_TOKEN  # noqa: UP031
"""Stands where an ending brings no token of its own; what LMI writes for an error."""


class JsonLinesWriter:
    """`{"token": {"id", "text", "log_prob"}}` per line; the last line adds generated_text, and details if asked for.

    An answer that was cut short says so in details, asked for or not.
    """

    __slots__ = ("_details", "_full_text", "_known", "_tokens", "content_type")

    def __init__(self, request: Request, tokens: TokenJson) -> None:
        self.content_type = "application/jsonlines"
        self._details = request.details
        self._full_text = request.return_full_text
        self._tokens = tokens
        self._known = tokens.known

    def write(self, piece: Piece) -> str:
        """Return the piece's lines."""
        logprobs = piece.logprobs or (None,) * len(piece.tokens)
        if len(piece.tokens) == 1:
            return self.line(piece.tokens[0], piece.texts[0], logprobs[0])
        return "".join(map(self.line, piece.tokens, piece.texts, logprobs))

    def line(self, token: int, text: str, log_prob: float | None) -> str:
        """Return the token's line."""
        # `TokenJson.whole` written out: a call here is a tenth of what a streamed token costs.
        known = self._known.get(token)
        if known is not None and known[0] == text and log_prob is not None and LEAST < log_prob < MOST:
            return f'{{"token":{known[1]}{log_prob:.6f}{known[2]}}}\n'
        return f'{{"token":{self._tokens.whole(token, text, log_prob)}}}\n'

    def end(self, piece: Piece | None, ending: Ending) -> str:
        """Return the remaining lines; the last one closes the answer."""
        lines = self.write(piece) if piece is not None and piece.tokens else ""
        # Without an error the ending goes into the last token's line, whose "}\n" is taken off.
        opening = lines[:-2] if lines and ending.error is None else lines + _CLOSING_TOKEN
        return opening + self._closing(ending) + "}\n"

    def _closing(self, ending: Ending) -> str:
        text = quote(ending.prompt + ending.text if self._full_text else ending.text)
        error = f",{error_members(ending.error)}" if ending.error is not None else ""
        details = ""
        if self._details or ending.reason in (FinishReason.ERROR, FinishReason.CANCELLED):
            details = f',"details":{details_json(ending, self._details)}'
        return f'{error},"generated_text":{text}{details}'
