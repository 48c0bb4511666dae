"""What all responses of OpenAI's API have in common (API reference of 2025; vLLM's server answers the same)."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence

from djl_trtllm.core import FinishReason, OpenAI, Request, ToolChoice
from djl_trtllm.errors import DjlTrtllmError
from djl_trtllm.formats.base import Ending
from djl_trtllm.formats.quoting import quote

FINISH = {
    FinishReason.EOS: "stop",
    FinishReason.STOP: "stop",
    FinishReason.LENGTH: "length",
    FinishReason.ERROR: "error",
    FinishReason.CANCELLED: "cancelled",
}

EVENT, LINE = ("data: ", "\n\n"), ("", "\n")
"""What stands around a chunk: a Server-Sent Event, or a line of its own."""

DONE = "data: [DONE]\n\n"


def openai_of(request: Request, kind: str) -> OpenAI:
    """Return what a request says of its response; made up for one that is not of OpenAI's API."""
    if request.openai is not None:
        return request.openai
    return OpenAI(f"{kind}-{secrets.token_hex(16)}", int(time.time()), "", tools=ToolChoice.NONE)


class Envelope:
    """The object around the choices, whole or chunk by chunk. Made once per response.

    `unseen` counts tokens of sequences that were generated and not chosen: they are in the usage, as OpenAI bills them.
    """

    __slots__ = ("_after", "_before", "_error_after", "_opening", "_tail", "_usage", "head", "tail", "unseen")

    def __init__(self, openai: OpenAI, kind: str, around: tuple[str, str] = ("", "")) -> None:
        self._opening = (
            f'{{"id":{quote(openai.id)},"object":"{kind}","created":{openai.created},'
            f'"model":{quote(openai.model)},"choices":['
        )
        self._before, self._after = around
        self._usage = openai.include_usage
        self._tail = '],"usage":null' if self._usage else "]"
        self.head = self._before + self._opening
        """What comes before a chunk's choices; `tail` comes after them."""
        self.tail = f"{self._tail}}}{self._after}"
        self.unseen = 0

    def whole(self, choices: Sequence[str], endings: Sequence[Ending]) -> str:
        """Return the object of a response that is sent whole."""
        return f'{self._opening}{",".join(choices)}],"usage":{self._counts(endings)}}}'

    def usage(self, endings: Sequence[Ending]) -> str:
        """Return the chunk with the token counts, "" where nobody asked for it or a sequence failed."""
        if not self._usage or any(ending.error is not None for ending in endings):
            return ""
        return f'{self.head}],"usage":{self._counts(endings)}}}{self._after}'

    def failed(self, choice: str, error: DjlTrtllmError) -> str:
        """Return the last chunk of a stream that broke off."""
        return f"{self.head}{choice}{self._tail},{error_member(error)}}}{self._after}"

    def _counts(self, endings: Sequence[Ending]) -> str:
        prompts = {id(ending.prompt): ending.usage.prompt_tokens for ending in endings}
        prompt = sum(prompts.values())
        completion = self.unseen + sum(ending.usage.generated_tokens for ending in endings)
        return (
            f'{{"prompt_tokens":{prompt},"completion_tokens":{completion},'
            f'"total_tokens":{prompt + completion}}}'
        )


def error_member(error: DjlTrtllmError) -> str:
    """The member `error` as OpenAI's clients read it."""
    kind = "invalid_request_error" if error.status < 500 else "server_error"
    return (
        f'"error":{{"message":{quote(str(error))},"type":"{kind}","code":{quote(error.code)},"param":null}}'
    )


def error_object(endings: Sequence[Ending]) -> str | None:
    """Return the body of a whole response of which one sequence failed."""
    for ending in endings:
        if ending.error is not None:
            return "{" + error_member(ending.error) + "}"
    return None
