"""The formats `jsonlines` and `sse`: a line per token as it comes, the last one with the whole text and its end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, repeat

from djl_trtllm.core import Request
from djl_trtllm.formats.base import NO_TOKEN, Ending, Piece, Writer
from djl_trtllm.formats.errors import error_members
from djl_trtllm.formats.lmi_details import LmiDetails, cut_short
from djl_trtllm.formats.token_json import TokenJson, padded
from djl_trtllm.formats.token_line import TokenLine, token_line
from djl_trtllm.formats.vocabulary import Vocabulary

_CLOSING_TOKEN = '{"id":%d,"text":"","log_prob":-1,"special_token":true}' % NO_TOKEN  # noqa: UP031
"""Stands where an ending brings no token of its own; what LMI writes for an error."""


class JsonLinesWriter:
    """Lines of one sequence. `before` and `after` stand around every line's object."""

    __slots__ = ("_after", "_details", "_opening", "_tokens", "line")

    def __init__(self, tokens: TokenJson, details: LmiDetails, opening: str, after: str) -> None:
        self._tokens = tokens
        self._details = details
        self._opening = opening
        self._after = after
        self.line: TokenLine = token_line(tokens, opening, "}" + after)

    def write(self, piece: Piece) -> str:
        """Return the piece's lines."""
        if piece.tops is None:
            if len(piece.tokens) == 1:
                return self.line(
                    piece.tokens[0], piece.texts[0], piece.logprobs[0] if piece.logprobs else None
                )
            return "".join(map(self.line, piece.tokens, piece.texts, padded(piece.logprobs)))
        closing = "}" + self._after
        return "".join([self._opening + members + closing for members in self._members(piece)])

    def end(self, piece: Piece | None, ending: Ending) -> str:
        """Return the remaining lines; the last one closes the sequence."""
        lines = self._members(piece) if piece is not None else []
        last = lines.pop() if lines and ending.error is None else _CLOSING_TOKEN
        closing = "}" + self._after
        before = "".join([self._opening + members + closing for members in lines])
        return f"{before}{self._opening}{last}{self._closing(ending)}{closing}"

    def _members(self, piece: Piece) -> list[str]:
        members = [*map(self._tokens.whole, piece.tokens, piece.texts, padded(piece.logprobs))]
        if piece.tops is None:
            return members
        alternatives = map(self._tokens.alternatives, chain(piece.tops, repeat(())))
        return [f'{token},"top_tokens":{tops}' for token, tops in zip(members, alternatives, strict=False)]

    def _closing(self, ending: Ending) -> str:
        members = f",{error_members(ending.error)}" if ending.error is not None else ""
        members += f',"generated_text":{self._details.text(ending)}'
        if self._details.asked and ending.error is None:
            return f'{members},"details":{self._details.of_stream(ending)}'
        if cut_short(ending):
            return f'{members},"details":{self._details.of_error(ending)}'
        return members


class JsonLinesResponse:
    r"""`{"token": {"id", "text", "log_prob"}}` and `\n` for each token.

    A sequence's last line adds `generated_text`, and `details` if they were asked for, as in LMI (v0.27 to v0.36).
    Where there are several sequences, `index` comes first in every line and says which one it is. Alternatives of a
    token are in its line as `top_tokens`. An answer that was cut short says so in details, asked for or not.
    """

    __slots__ = ("_details", "_indexed", "_tokens", "content_type", "keeps_tokens")

    before, after = "", "\n"

    def __init__(self, request: Request, vocabulary: Vocabulary) -> None:
        self.content_type = "application/jsonlines"
        self.keeps_tokens = False
        self._details = LmiDetails(request, vocabulary.lmi)
        self._tokens = vocabulary.lmi
        self._indexed = request.n * len(request.prompts) > 1

    def writer(self, index: int) -> Writer:
        """Return the writer of one sequence's lines."""
        opening = f'{self.before}{{"index":{index},"token":' if self._indexed else f'{self.before}{{"token":'
        return JsonLinesWriter(self._tokens, self._details, opening, self.after)

    def close(self, endings: Sequence[Ending]) -> str:  # noqa: ARG002
        """Return nothing: each sequence has closed itself."""
        return ""


class SseResponse(JsonLinesResponse):
    """The same lines as Server-Sent Events, as LMI's `sse` has them: `data: {...}` and an empty line."""

    __slots__ = ()

    before, after = "data: ", "\n\n"

    def __init__(self, request: Request, vocabulary: Vocabulary) -> None:
        super().__init__(request, vocabulary)
        self.content_type = "text/event-stream"
