"""The text of a chat's answer in which calls of tools may stand."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.core import OpenAI, ToolChoice
from djl_trtllm.formats.tool_call import ToolCall
from djl_trtllm.formats.tool_calls import MARKERS, FreeCalls, NamedCall, Parser
from djl_trtllm.formats.vocabulary import Vocabulary


class AnswerText:
    """Tokens in, text and calls out, in order; one per sequence.

    With tools the request leaves special tokens in its text, because some models mark calls with them. Those that mark
    nothing are taken out again here.
    """

    __slots__ = ("_parser", "_special_ids", "_vocabulary")

    def __init__(self, openai: OpenAI, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._special_ids = vocabulary.special_ids
        self._parser: Parser = NamedCall(openai.tool) if openai.tools is ToolChoice.NAMED else FreeCalls()

    def feed(self, tokens: Sequence[int], texts: Sequence[str]) -> list[str | ToolCall]:
        """Take new tokens; return what is certain now."""
        special_ids = self._special_ids
        text = "".join(
            [
                self._shown(token, text) if token in special_ids else text
                for token, text in zip(tokens, texts, strict=True)
            ]
        )
        return self._parser.feed(text) if text else []

    def one(self, token: int, text: str) -> list[str | ToolCall]:
        """`feed` for one token."""
        if token in self._special_ids:
            text = self._shown(token, text)
        return self._parser.feed(text) if text else []

    def finish(self) -> list[str | ToolCall]:
        """Return the rest."""
        return self._parser.finish()

    def _shown(self, token: int, text: str) -> str:
        own = self._vocabulary.text(token)
        if own.strip() in MARKERS:
            return text
        # A stop string may have cut the token's own text; bytes that were held back may stand in front of it.
        return text.replace(own, "", 1) if own in text else "" if own.startswith(text) else text


def with_tools(openai: OpenAI) -> bool:
    """Whether calls are looked for."""
    return openai.tools is not ToolChoice.NONE
