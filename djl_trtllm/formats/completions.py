"""The format `completions`: OpenAI's `text_completion`, whole or as Server-Sent Events."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.core import Request
from djl_trtllm.formats.base import Ending, Response, Writer
from djl_trtllm.formats.completion_writer import CompletionWriter
from djl_trtllm.formats.openai import DONE, EVENT, FINISH, Envelope, error_object, openai_of
from djl_trtllm.formats.quoting import quote
from djl_trtllm.formats.silent import SILENT
from djl_trtllm.formats.text_logprobs import TextLogprobs, lists
from djl_trtllm.formats.vocabulary import Vocabulary


class CompletionsResponse:
    """One object with a choice per sequence, those of the first prompt first, when all have ended."""

    __slots__ = ("_openai", "_vocabulary", "content_type", "envelope", "keeps_tokens")

    def __init__(self, request: Request, vocabulary: Vocabulary) -> None:
        self.content_type = "application/json"
        self._openai = openai_of(request, "cmpl")
        self._vocabulary = vocabulary
        self.envelope = Envelope(self._openai, "text_completion")
        self.keeps_tokens = self._openai.logprobs

    def writer(self, index: int) -> Writer:  # noqa: ARG002
        """Return one that says nothing."""
        return SILENT

    def close(self, endings: Sequence[Ending]) -> str:
        """Return the object."""
        choices = [self._choice(index, ending) for index, ending in enumerate(endings)]
        return error_object(endings) or self.envelope.whole(choices, endings)

    def _choice(self, index: int, ending: Ending) -> str:
        echo = ending.prompt.text if self._openai.echo else ""
        shown = "null"
        if self._openai.logprobs:
            logprobs = TextLogprobs(self._openai.top_logprobs, self._vocabulary)
            rows = logprobs.prompt(echo, ending.prompt.ids, ending.prompt_logprobs) if echo else []
            rows += logprobs.piece(ending.tokens, ending.texts, ending.logprobs, ending.tops)
            shown = lists(rows)
        return (
            f'{{"text":{quote(echo + ending.text)},"index":{index},"logprobs":{shown},'
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
        failed = any(ending.error is not None for ending in endings)
        return ("" if failed else self.envelope.usage(endings)) + DONE


def completions(request: Request, vocabulary: Vocabulary) -> Response:
    """Return the response to a request that streams or does not."""
    make = CompletionEventsResponse if request.stream else CompletionsResponse
    return make(request, vocabulary)
