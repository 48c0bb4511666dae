"""The object `details` of LMI's formats (LMI's output schema, 0.29 and later)."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.core import FinishReason, Request
from djl_trtllm.formats.base import Ending
from djl_trtllm.formats.quoting import array, quote, quote_whole
from djl_trtllm.formats.token_json import TokenJson


class LmiDetails:
    """Details of one request's sequences, and the text above them.

    `prefill` is there where prompt log-probs were asked for, `top_tokens` where alternatives were. `warnings` is not
    LMI's: what was changed or ignored in the request.
    """

    __slots__ = ("_full_text", "_prefill", "_tokens", "_tops", "_warnings", "asked")

    def __init__(self, request: Request, tokens: TokenJson) -> None:
        self.asked = request.details
        self._full_text = request.return_full_text
        self._prefill = request.sampling.prompt_logprobs
        self._tops = request.sampling.top_logprobs > 0
        self._warnings = tuple(request.warnings)
        self._tokens = tokens

    def text(self, ending: Ending) -> str:
        """Return the generated text as JSON, after the prompt where that was asked for."""
        return quote_whole(ending.prompt.text + ending.text if self._full_text else ending.text)

    def of_error(self, ending: Ending) -> str:
        """Return the details of an answer that failed or was cut short, asked for or not."""
        return "{" + ",".join(self._opening(ending, inputs=self.asked)) + "}"

    def of_stream(self, ending: Ending) -> str:
        """Return the details of an answer whose tokens were sent one by one."""
        return (
            "{" + ",".join([*self._opening(ending, inputs=True), *self._prompt(ending), *self._notes()]) + "}"
        )

    def of_whole(self, ending: Ending, others: Sequence[Ending]) -> str:
        """Return all details of an answer, and those of the request's less likely sequences."""
        members = [*self._opening(ending, inputs=True), *self._sequence(ending)]
        if others:
            members.append(f'"best_of_sequences":{array(map(self._other, others))}')
        return "{" + ",".join([*members, *self._notes()]) + "}"

    def _other(self, ending: Ending) -> str:
        members = [*self._opening(ending, inputs=False), *self._sequence(ending)]
        return "{" + ",".join([*members, f'"generated_text":{self.text(ending)}']) + "}"

    def _opening(self, ending: Ending, *, inputs: bool) -> list[str]:
        return [
            f'"finish_reason":"{ending.reason.value}"',
            f'"generated_tokens":{ending.usage.generated_tokens}',
            *([f'"inputs":{quote_whole(ending.prompt.text)}'] if inputs else []),
        ]

    def _sequence(self, ending: Ending) -> list[str]:
        members = [f'"tokens":{self._tokens.all(ending.tokens, ending.texts, ending.logprobs)}']
        members += self._prompt(ending)
        if self._tops:
            members.append(f'"top_tokens":{array(map(self._tokens.alternatives, ending.tops or ()))}')
        return members

    def _prompt(self, ending: Ending) -> list[str]:
        if not self._prefill:
            return []
        return [f'"prefill":{self._tokens.prompt(ending.prompt.ids, ending.prompt_logprobs or ())}']

    def _notes(self) -> list[str]:
        return [f'"warnings":{array(map(quote, self._warnings))}'] if self._warnings else []


def cut_short(ending: Ending) -> bool:
    """Whether an answer's end has to be explained, asked for or not."""
    return ending.reason in (FinishReason.ERROR, FinishReason.CANCELLED)
