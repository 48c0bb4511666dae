"""The formats `sse_chat` and `jsonlines_chat`: OpenAI's `chat.completion.chunk`, as events or as lines."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.core import OpenAI, Request
from djl_trtllm.formats.answer_text import AnswerText, with_tools
from djl_trtllm.formats.base import NO_TOKEN, Ending, Piece, Writer
from djl_trtllm.formats.openai import DONE, EVENT, FINISH, LINE, Envelope, openai_of
from djl_trtllm.formats.quoting import array, quote
from djl_trtllm.formats.tool_call import ToolCall
from djl_trtllm.formats.tool_call_json import tool_call_json
from djl_trtllm.formats.vocabulary import Vocabulary


class ChatWriter:
    """The chunks of one choice: its role, text as it comes, calls as they are whole, and why it ended.

    Tokens without text make no chunk, unless their log-probs were asked for.
    """

    __slots__ = (
        "_answer",
        "_begun",
        "_calls",
        "_closing",
        "_content_opening",
        "_envelope",
        "_flowing",
        "_items",
        "_most",
        "_opening",
        "_vocabulary",
    )

    def __init__(self, index: int, openai: OpenAI, envelope: Envelope, vocabulary: Vocabulary) -> None:
        self._envelope = envelope
        self._vocabulary = vocabulary
        self._opening = f'{envelope.head}{{"index":{index},"delta":{{'
        self._content_opening = self._opening + '"content":'
        self._closing = '},"logprobs":null,"finish_reason":null}' + envelope.tail
        self._begun = self._flowing = False
        self._calls = 0
        self._items: list[str] = []
        self._most = openai.top_logprobs if openai.logprobs else None
        self._answer = AnswerText(openai, vocabulary) if with_tools(openai) else None

    def write(self, piece: Piece) -> str:
        """Return the piece's chunks, the role in front of the first."""
        if self._most is not None:
            self._items += self._vocabulary.logprobs.items(
                piece.tokens, piece.logprobs, piece.tops, self._most
            )
        if self._answer is None:
            text = "".join(piece.texts)
            return self._role() + (self._content(text) if text or self._items else "")
        return self._role() + self._parts(self._answer.feed(piece.tokens, piece.texts))

    def line(self, token: int, text: str, log_prob: float | None) -> str:
        """Return the token's chunk."""
        if self._flowing:
            return f"{self._content_opening}{quote(text)}{self._closing}" if text else ""
        if not self._begun or token == NO_TOKEN:
            return self.write(Piece((token,), (text,), None if log_prob is None else (log_prob,)))
        if self._most is not None:
            self._items.append(self._vocabulary.logprobs.item(token, log_prob))
        if self._answer is None:
            return self._content(text)
        parts = self._answer.one(token, text)
        return self._parts(parts) if parts else ""

    def end(self, piece: Piece | None, ending: Ending) -> str:
        """Return the remaining chunks; the last one has the finish reason, and the error if there is one."""
        data = self.write(piece) if piece is not None else self._role()
        if self._answer is not None:
            data += self._parts(self._answer.finish())
        finish = FINISH[ending.reason]
        if self._calls and finish == "stop":
            finish = "tool_calls"
        choice = f'}},"logprobs":{self._logprobs()},"finish_reason":"{finish}"}}'
        if ending.error is not None:
            return data + self._envelope.failed(
                self._opening[len(self._envelope.head) :] + choice, ending.error
            )
        return data + self._opening + choice + self._envelope.tail

    def _role(self) -> str:
        if self._begun:
            return ""
        self._begun = True
        self._flowing = self._answer is None and self._most is None
        return f'{self._opening}"role":"assistant","content":""{self._closing}'

    def _parts(self, parts: Sequence[str | ToolCall]) -> str:
        data = ""
        for part in parts:
            if isinstance(part, str):
                data += self._content(part)
            else:
                data += self._chunk(f'"tool_calls":[{tool_call_json(part, self._calls)}]')
                self._calls += 1
        return data

    def _content(self, text: str) -> str:
        return self._chunk(f'"content":{quote(text)}')

    def _chunk(self, delta: str) -> str:
        if not self._items:
            return self._opening + delta + self._closing
        return f'{self._opening}{delta}}},"logprobs":{self._logprobs()},"finish_reason":null}}{self._envelope.tail}'

    def _logprobs(self) -> str:
        """Return the log-probs of all tokens since the last chunk."""
        if not self._items:
            return "null"
        items, self._items = self._items, []
        return f'{{"content":{array(items)}}}'


class ChatLinesResponse:
    """A chunk a line, without the `[DONE]` of events, as LMI's `jsonlines_chat` (v0.27 to v0.36)."""

    __slots__ = ("_openai", "_vocabulary", "content_type", "envelope", "keeps_tokens")

    around, done = LINE, ""

    def __init__(self, request: Request, vocabulary: Vocabulary) -> None:
        self.content_type = "application/jsonlines"
        self.keeps_tokens = False
        self._openai = openai_of(request, "chatcmpl")
        self._vocabulary = vocabulary
        self.envelope = Envelope(self._openai, "chat.completion.chunk", self.around)

    def writer(self, index: int) -> Writer:
        """Return the writer of one choice."""
        return ChatWriter(index, self._openai, self.envelope, self._vocabulary)

    def close(self, endings: Sequence[Ending]) -> str:
        """Return the usage, if it was asked for and nothing failed, and the end of the stream."""
        return self.envelope.usage(endings) + self.done


class ChatEventsResponse(ChatLinesResponse):
    """Server-Sent Events that end in `[DONE]`: what OpenAI's clients read."""

    __slots__ = ()

    around, done = EVENT, DONE

    def __init__(self, request: Request, vocabulary: Vocabulary) -> None:
        super().__init__(request, vocabulary)
        self.content_type = "text/event-stream"
