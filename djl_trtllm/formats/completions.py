"""The format `completions`: OpenAI's `text_completion`, whole or as Server-Sent Events."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.core import Request
from djl_trtllm.formats.base import Ending, Response, Writer
from djl_trtllm.formats.completion_writer import CompletionWriter
from djl_trtllm.formats.openai import DONE, EVENT, FINISH, Envelope, openai_of
from djl_trtllm.formats.openai_whole import WholeResponse
from djl_trtllm.formats.quoting import quote_whole
from djl_trtllm.formats.text_logprobs import TextLogprobs, lists
from djl_trtllm.formats.vocabulary import Vocabulary


class CompletionsResponse(WholeResponse):
    """One object with a choice per sequence, those of the first prompt first, when all have ended."""

    __slots__ = ()

    def __init__(self, request: Request, vocabulary: Vocabulary) -> None:
        openai = openai_of(request, "cmpl")
        super().__init__(openai, "text_completion", vocabulary, keeps_tokens=openai.logprobs)

    def choice(self, index: int, ending: Ending) -> str:
        """Return one choice."""
        echo = ending.prompt.text if self._openai.echo else ""
        shown = "null"
        if self._openai.logprobs:
            logprobs = TextLogprobs(self._openai.top_logprobs, self._vocabulary)
            rows = logprobs.prompt(echo, ending.prompt.ids, ending.prompt_logprobs) if echo else []
            rows += logprobs.piece(ending.tokens, ending.texts, ending.logprobs, ending.tops)
            shown = lists(rows)
        return (
            f'{{"text":{quote_whole(echo + ending.text)},"index":{index},"logprobs":{shown},'
            f'"finish_reason":"{FINISH[ending.reason]}"}}'
        )


class CompletionEventsResponse:
    """Server-Sent Events that end in `[DONE]`: what OpenAI's clients read."""

    __slots__ = ("_openai", "_request", "_vocabulary", "content_type", "envelope", "keeps_tokens")

    def __init__(self, request: Request, vocabulary: Vocabulary) -> None:
        self.content_type = "text/event-stream"
        self.keeps_tokens = False
        self._request = request
        self._openai = openai_of(request, "cmpl")
        self._vocabulary = vocabulary
        self.envelope = Envelope(self._openai, "text_completion", EVENT)

    def writer(self, index: int) -> Writer:
        """Return the writer of one choice."""
        request, openai = self._request, self._openai
        echo = request.prompts[index // request.n].text if openai.echo else ""
        logprobs = TextLogprobs(openai.top_logprobs, self._vocabulary, len(echo)) if openai.logprobs else None
        return CompletionWriter(index, echo, self.envelope, logprobs)

    def close(self, endings: Sequence[Ending]) -> str:
        """Return the usage, if it was asked for and nothing failed, and the end of the stream."""
        return self.envelope.usage(endings) + DONE


def completions(request: Request, vocabulary: Vocabulary) -> Response:
    """Return the response to a request that streams or does not."""
    make = CompletionEventsResponse if request.stream else CompletionsResponse
    return make(request, vocabulary)
