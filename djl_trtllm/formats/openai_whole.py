"""What OpenAI's responses have in common that are sent whole."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.core import OpenAI
from djl_trtllm.formats.base import Ending, Writer
from djl_trtllm.formats.openai import Envelope, error_object
from djl_trtllm.formats.silent import SILENT
from djl_trtllm.formats.vocabulary import Vocabulary


class WholeResponse:
    """One object of a `kind`, with a choice per sequence, when all have ended. An error replaces the object."""

    __slots__ = ("_openai", "_vocabulary", "content_type", "envelope", "keeps_tokens")

    def __init__(self, openai: OpenAI, kind: str, vocabulary: Vocabulary, *, keeps_tokens: bool) -> None:
        self.content_type = "application/json"
        self._openai = openai
        self._vocabulary = vocabulary
        self.envelope = Envelope(openai, kind)
        self.keeps_tokens = keeps_tokens

    def writer(self, index: int) -> Writer:  # noqa: ARG002
        """Return one that says nothing."""
        return SILENT

    def close(self, endings: Sequence[Ending]) -> str:
        """Return the object."""
        failed = error_object(endings)
        if failed is not None:
            return failed
        return self.envelope.whole([self.choice(*pair) for pair in enumerate(endings)], endings)

    def choice(self, index: int, ending: Ending) -> str:
        """Return one choice."""
        raise NotImplementedError
