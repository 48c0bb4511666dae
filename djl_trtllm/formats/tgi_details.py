"""The object `details` of Text Generation Inference, whole and in a stream."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.core import Request, seed_of
from djl_trtllm.formats.base import Ending
from djl_trtllm.formats.quoting import array, quote_whole
from djl_trtllm.formats.tgi_tokens import TgiTokens


class TgiDetails:
    """The object `details` of one request's sequences, whole and in a stream."""

    __slots__ = ("_full_text", "_prefill", "_seed", "_tokens", "_tops", "asked")

    def __init__(self, request: Request, tokens: TgiTokens) -> None:
        sampling = request.sampling
        self.asked = request.details
        self._full_text = request.return_full_text
        self._prefill = sampling.prompt_logprobs
        self._tops = sampling.top_logprobs > 0
        self._seed = sampling.seed if sampling.do_sample else None
        self._tokens = tokens

    def text(self, ending: Ending) -> str:
        """Return the generated text as JSON, after the prompt where that was asked for."""
        return quote_whole(ending.prompt.text + ending.text if self._full_text else ending.text)

    def of_stream(self, ending: Ending) -> str:
        """Return the details of the last event."""
        return "{" + f'{self._opening(ending)},"input_length":{len(ending.prompt.ids)}' + "}"

    def of_whole(self, ending: Ending, others: Sequence[Ending]) -> str:
        """Return all details of an answer, and those of the request's less likely sequences."""
        best_of = ""
        if others:
            texts = [f'{{"generated_text":{self.text(other)},{self._members(other)}}}' for other in others]
            best_of = f',"best_of_sequences":{array(texts)}'
        return "{" + self._members(ending) + best_of + "}"

    def _opening(self, ending: Ending) -> str:
        seed = "null" if self._seed is None else str(seed_of(self._seed, ending.index))
        return (
            f'"finish_reason":"{ending.reason.value}","generated_tokens":{ending.usage.generated_tokens},'
            f'"seed":{seed}'
        )

    def _members(self, ending: Ending) -> str:
        prefill = "[]"
        if self._prefill:
            prefill = self._tokens.prompt(ending.prompt.ids, ending.prompt_logprobs or ())
        tokens = self._tokens.all(ending.tokens, ending.texts, ending.logprobs)
        members = f'{self._opening(ending)},"prefill":{prefill},"tokens":{tokens}'
        if self._tops:
            members += f',"top_tokens":{array(map(self._tokens.alternatives, ending.tops or ()))}'
        return members
