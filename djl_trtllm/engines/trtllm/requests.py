"""From an `EngineRequest` to the executor's own request, in the words of the installed release."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from djl_trtllm.core import EngineRequest, SamplingParams
from djl_trtllm.engines.trtllm import bias, guided, names
from djl_trtllm.engines.trtllm.sequences import Ends

MOST_TOP_K = 1024
"""The library's sampling kernels take no larger top_k and clip it (read, 0.8 to 0.14)."""

SEED_BITS = 2**63 - 1


class RequestMaker:
    """Makes the requests of one executor. `bindings` is `tensorrt_llm.bindings.executor`, `logits_dtype` the engine's.

    Only `input_token_ids` goes by position: the order of the others has changed, and some take no position.
    """

    def __init__(
        self, bindings: ModuleType | Any, ends: Ends, vocab_size: int, logits_dtype: str = "float32"
    ) -> None:
        self._bindings = bindings
        self._logits_dtype = logits_dtype
        self._request = bindings.Request
        self._sampling = bindings.SamplingConfig
        self._output = bindings.OutputConfig
        self._ends = ends
        self._vocab_size = vocab_size
        self._max_tokens = names.known(self._request, names.MAX_TOKENS)
        self._seed = names.known(self._sampling, names.SEED)
        self._min_tokens = names.known(self._sampling, names.MIN_TOKENS)
        self._one_of_beams = hasattr(self._sampling, names.NUM_RETURN_SEQUENCES)
        self.min_p = hasattr(self._sampling, names.MIN_P)
        self._stop_words = [[token] for token in ends.others]

    def make(self, request: EngineRequest) -> Any:
        """Return the library's request. Raises what the library raises for values that it does not take."""
        s = request.sampling
        arguments: dict[str, Any] = {
            self._max_tokens: s.max_new_tokens,
            # Beams change their past until the last step, so there is nothing to stream.
            "streaming": s.num_beams == 1,
            "sampling_config": self._sampling(**self._sampling_values(s)),
            "output_config": self._output(return_log_probs=s.logprobs, exclude_input_from_output=True),
            "end_id": -1 if s.ignore_eos else self._ends.first,
        }
        # A least length holds back the end token, but not stop words: then the others are watched for in the answers.
        if self._stop_words and not s.ignore_eos and not s.min_new_tokens:
            arguments["stop_words"] = self._stop_words
        if s.bad_words:
            arguments["bad_words"] = [list(word) for word in s.bad_words]
        if s.logit_bias:
            arguments["embedding_bias"] = bias.tensor(s.logit_bias, self._vocab_size, self._logits_dtype)
        if request.guide is not None:
            arguments["guided_decoding_params"] = guided.params(self._bindings, request.guide)
        return self._request(list(request.prompt_ids), **arguments)

    def _sampling_values(self, s: SamplingParams) -> Mapping[str, Any]:
        values: dict[str, Any] = {"beam_width": s.num_beams, **penalties(s)}
        if s.min_new_tokens:
            values[self._min_tokens] = s.min_new_tokens
        if s.num_beams > 1:
            values["length_penalty"] = float(s.length_penalty)
            if self._one_of_beams:
                values[names.NUM_RETURN_SEQUENCES] = 1
        elif s.do_sample:
            values |= drawing(s, self._vocab_size)
            values[self._seed] = s.seed & SEED_BITS
            if s.min_p and self.min_p:
                values[names.MIN_P] = float(s.min_p)
        else:
            values["top_k"] = 1
        return values


def penalties(s: SamplingParams) -> dict[str, float]:
    """Return the penalties that change something, by the library's names."""
    found = {
        "repetition_penalty": (float(s.repetition_penalty), 1.0),
        "presence_penalty": (float(s.presence_penalty), 0.0),
        "frequency_penalty": (float(s.frequency_penalty), 0.0),
    }
    return {name: value for name, (value, neutral) in found.items() if value != neutral}


def drawing(s: SamplingParams, vocab_size: int) -> dict[str, Any]:
    """Return the filters of a request that samples. Both are always said: without either the library is greedy."""
    no_filter = not s.top_k or s.top_k >= vocab_size
    return {
        "top_k": 0 if no_filter else min(s.top_k, MOST_TOP_K),
        "top_p": float(s.top_p),
        "temperature": float(s.temperature),
    }
