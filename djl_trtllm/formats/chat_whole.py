"""The format `json_chat`: OpenAI's `chat.completion`."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.core import Request
from djl_trtllm.formats.answer_text import AnswerText, with_tools
from djl_trtllm.formats.base import Ending, Writer
from djl_trtllm.formats.openai import FINISH, Envelope, error_object, openai_of
from djl_trtllm.formats.quoting import array, quote
from djl_trtllm.formats.silent import SILENT
from djl_trtllm.formats.tool_call import ToolCall
from djl_trtllm.formats.tool_call_json import tool_call_json
from djl_trtllm.formats.vocabulary import Vocabulary


class ChatResponse:
    """One object with a choice per sequence, when all have ended.

    `finish_reason` is stop, length, or tool_calls where a sequence that ended by itself made calls. An error replaces
    the object.
    """

    __slots__ = ("_openai", "_vocabulary", "content_type", "envelope", "keeps_tokens")

    def __init__(self, request: Request, vocabulary: Vocabulary) -> None:
        self.content_type = "application/json"
        self._openai = openai_of(request, "chatcmpl")
        self._vocabulary = vocabulary
        self.envelope = Envelope(self._openai, "chat.completion")
        self.keeps_tokens = self._openai.logprobs or with_tools(self._openai)

    def writer(self, index: int) -> Writer:  # noqa: ARG002
        """Return one that says nothing."""
        return SILENT

    def close(self, endings: Sequence[Ending]) -> str:
        """Return the object."""
        choices = [self._choice(index, ending) for index, ending in enumerate(endings)]
        return error_object(endings) or self.envelope.whole(choices, endings)

    def _choice(self, index: int, ending: Ending) -> str:
        finish = FINISH[ending.reason]
        if with_tools(self._openai):
            message, called = self._message_with_calls(ending)
            if called and finish == "stop":
                finish = "tool_calls"
        else:
            message = f'{{"role":"assistant","content":{quote(ending.text)}}}'
        return (
            f'{{"index":{index},"message":{message},"logprobs":{self._logprobs(ending)},'
            f'"finish_reason":"{finish}"}}'
        )

    def _message_with_calls(self, ending: Ending) -> tuple[str, bool]:
        answer = AnswerText(self._openai, self._vocabulary)
        found = [*answer.feed(ending.tokens, ending.texts), *answer.finish()]
        text = "".join(part for part in found if isinstance(part, str))
        calls = [part for part in found if isinstance(part, ToolCall)]
        if not calls:
            return f'{{"role":"assistant","content":{quote(text)}}}', False
        content = quote(text) if text else "null"
        listed = array(map(tool_call_json, calls))
        return f'{{"role":"assistant","content":{content},"tool_calls":{listed}}}', True

    def _logprobs(self, ending: Ending) -> str:
        if not self._openai.logprobs:
            return "null"
        most = self._openai.top_logprobs
        items = self._vocabulary.logprobs.items(ending.tokens, ending.logprobs, ending.tops, most)
        return f'{{"content":{array(items)}}}'
