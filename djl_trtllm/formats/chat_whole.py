"""The format `json_chat`: OpenAI's `chat.completion`."""

from __future__ import annotations

from djl_trtllm.core import Request
from djl_trtllm.formats.answer_text import AnswerText, with_tools
from djl_trtllm.formats.base import Ending
from djl_trtllm.formats.openai import FINISH, openai_of
from djl_trtllm.formats.openai_whole import WholeResponse
from djl_trtllm.formats.quoting import array, quote_whole
from djl_trtllm.formats.tool_call import ToolCall
from djl_trtllm.formats.tool_call_json import tool_call_json
from djl_trtllm.formats.vocabulary import Vocabulary


class ChatResponse(WholeResponse):
    """One object with a choice per sequence, when all have ended.

    `finish_reason` is stop, length, or tool_calls where a sequence that ended by itself made calls. An error replaces
    the object.
    """

    __slots__ = ()

    def __init__(self, request: Request, vocabulary: Vocabulary) -> None:
        openai = openai_of(request, "chatcmpl")
        keeps_tokens = openai.logprobs or with_tools(openai)
        super().__init__(openai, "chat.completion", vocabulary, keeps_tokens=keeps_tokens)

    def choice(self, index: int, ending: Ending) -> str:
        """Return one choice."""
        finish = FINISH[ending.reason]
        if with_tools(self._openai):
            message, called = self._message_with_calls(ending)
            if called and finish == "stop":
                finish = "tool_calls"
        else:
            message = f'{{"role":"assistant","content":{quote_whole(ending.text)}}}'
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
            return f'{{"role":"assistant","content":{quote_whole(text)}}}', False
        content = quote_whole(text) if text else "null"
        listed = array(map(tool_call_json, calls))
        return f'{{"role":"assistant","content":{content},"tool_calls":{listed}}}', True

    def _logprobs(self, ending: Ending) -> str:
        if not self._openai.logprobs:
            return "null"
        most = self._openai.top_logprobs
        items = self._vocabulary.logprobs.items(ending.tokens, ending.logprobs, ending.tops, most)
        return f'{{"content":{array(items)}}}'
