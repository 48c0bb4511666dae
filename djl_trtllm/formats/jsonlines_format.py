"""The format `jsonlines`: a line per token as it comes, the last one with the whole text and how it ended."""

from __future__ import annotations

from djl_trtllm.core import FinishReason, Request
from djl_trtllm.formats.base import (
    NO_TOKEN,
    Ending,
    Piece,
    details_json,
    error_members,
    quote,
    token_json,
)

_CLOSING_TOKEN = '{"token":{"id":%d,"text":"","log_prob":-1,"special_token":true}' % NO_TOKEN  # noqa: UP031
"""Stands where an ending brings no token of its own; what LMI writes for an error."""

_LINE_ENDS = (("\x85", "\\u0085"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029"))


class JsonLinesWriter:
    """`{"token": {"id", "text", "log_prob"}}` per line; the last line adds generated_text, and details if asked for.

    An answer that was cut short says so in details, asked for or not.
    """

    __slots__ = ("_details", "_full_text", "_special_ids", "content_type")

    def __init__(self, request: Request, special_ids: frozenset[int]) -> None:
        self.content_type = "application/jsonlines"
        self._details = request.details
        self._full_text = request.return_full_text
        self._special_ids = special_ids

    def write(self, piece: Piece) -> str:
        """Return the piece's lines."""
        tokens, texts, special = piece.tokens, piece.texts, self._special_ids
        logprobs = piece.logprobs or (None,) * len(tokens)
        if len(tokens) == 1:
            data = f'{{"token":{token_json(tokens[0], texts[0], logprobs[0], special)}}}\n'
        else:
            data = "".join(
                [
                    f'{{"token":{token_json(token, text, log_prob, special)}}}\n'
                    for token, text, log_prob in zip(tokens, texts, logprobs, strict=True)
                ]
            )
        return data if data.isascii() else _one_line_each(data)

    def end(self, piece: Piece | None, ending: Ending) -> str:
        """Return the remaining lines; the last one closes the answer."""
        lines = self.write(piece) if piece is not None and piece.tokens else ""
        # Without an error the ending goes into the last token's line, whose "}\n" is taken off.
        opening = lines[:-2] if lines and ending.error is None else lines + _CLOSING_TOKEN
        return opening + _one_line_each(self._closing(ending)) + "}\n"

    def _closing(self, ending: Ending) -> str:
        text = quote(ending.prompt + ending.text if self._full_text else ending.text)
        error = f",{error_members(ending.error)}" if ending.error is not None else ""
        details = ""
        if self._details or ending.reason in (FinishReason.ERROR, FinishReason.CANCELLED):
            details = f',"details":{details_json(ending, self._details)}'
        return f'{error},"generated_text":{text}{details}'


def _one_line_each(data: str) -> str:
    """Escape what JSON allows inside a string but many clients take for the end of a line."""
    for line_end, escaped in _LINE_ENDS:
        if line_end in data:
            data = data.replace(line_end, escaped)
    return data
