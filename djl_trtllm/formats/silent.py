"""The writer of formats that say everything at the end."""

from __future__ import annotations

from djl_trtllm.formats.base import Ending, Piece


class Silent:
    """Says nothing; `Response.close` has all of it in the endings. One is enough for everybody."""

    __slots__ = ()

    def write(self, piece: Piece) -> str:  # noqa: ARG002
        """Return nothing."""
        return ""

    def line(self, token: int, text: str, log_prob: float | None) -> str:  # noqa: ARG002
        """Return nothing."""
        return ""

    def end(self, piece: Piece | None, ending: Ending) -> str:  # noqa: ARG002
        """Return nothing."""
        return ""


SILENT = Silent()
