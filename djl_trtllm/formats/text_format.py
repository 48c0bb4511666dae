"""The format `text`: nothing but the text, as it comes or whole."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.core import Request
from djl_trtllm.errors import DjlTrtllmError
from djl_trtllm.formats.base import Ending, Piece, Response, Writer
from djl_trtllm.formats.silent import SILENT
from djl_trtllm.formats.vocabulary import Vocabulary

NOTHING = "\n"
"""Stands where there is no text to end with: DJL 0.29 to 0.31 hang on a last item that is empty."""


class TextWriter:
    """The text of one sequence. An error is a line of its own at the end."""

    __slots__ = ("_before",)

    def __init__(self, before: str) -> None:
        self._before = before

    def write(self, piece: Piece) -> str:
        """Return the piece's text."""
        text = "".join(piece.texts)
        if self._before:
            text, self._before = self._before + text, ""
        return text

    def line(self, token: int, text: str, log_prob: float | None) -> str:  # noqa: ARG002
        """Return the token's text."""
        return self.write(Piece((token,), (text,), None)) if self._before else text

    def end(self, piece: Piece | None, ending: Ending) -> str:
        """Return the remaining text, a line end where there is none."""
        text = self.write(piece or Piece((), (), None))
        if ending.error is not None:
            return f"{text}\n{_line(ending.error)}"
        return text or NOTHING


class TextResponse:
    """The whole text at once; an error takes its place."""

    __slots__ = ("_full_text", "content_type", "keeps_tokens")

    def __init__(self, request: Request, vocabulary: Vocabulary) -> None:  # noqa: ARG002
        self.content_type = "text/plain; charset=utf-8"
        self.keeps_tokens = False
        self._full_text = request.return_full_text

    def writer(self, index: int) -> Writer:  # noqa: ARG002
        """Return one that says nothing."""
        return SILENT

    def close(self, endings: Sequence[Ending]) -> str:
        """Return the text."""
        for ending in endings:
            if ending.error is not None:
                return _line(ending.error)
        return "".join([e.prompt.text + e.text if self._full_text else e.text for e in endings]) or NOTHING


class TextStreamResponse:
    """The text as it comes."""

    __slots__ = ("_request", "content_type", "keeps_tokens")

    def __init__(self, request: Request, vocabulary: Vocabulary) -> None:  # noqa: ARG002
        self.content_type = "text/plain; charset=utf-8"
        self.keeps_tokens = False
        self._request = request

    def writer(self, index: int) -> Writer:
        """Return the writer of a sequence."""
        request = self._request
        return TextWriter(request.prompts[index // request.n].text if request.return_full_text else "")

    def close(self, endings: Sequence[Ending]) -> str:  # noqa: ARG002
        """Return nothing: the sequence has closed itself."""
        return ""


def text(request: Request, vocabulary: Vocabulary) -> Response:
    """Return the response to a request that streams or does not."""
    return (TextStreamResponse if request.stream else TextResponse)(request, vocabulary)


def _line(error: DjlTrtllmError) -> str:
    return f"[error: {' '.join(str(error).split())}]\n"
