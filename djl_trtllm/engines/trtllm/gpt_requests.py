"""Requests of TensorRT-LLM 0.8: torch tensors by name. Ranks are told plain values and each makes its own tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any

from djl_trtllm.core import EngineRequest
from djl_trtllm.engines.trtllm import bias
from djl_trtllm.engines.trtllm.requests import SEED_BITS, drawing, penalties
from djl_trtllm.engines.trtllm.sequences import Ends

Plain = Mapping[str, Any]
"""Values by the names of InferenceRequest's attributes, and `is_streaming`."""


def _one(value: Any) -> Any:
    return [value]


def _words(words: list[list[int]]) -> Any:
    """Two rows of one length: the ids of all words, and where each word ends, with -1 for what is left of the row."""
    ids = [token for word in words for token in word]
    ends = list(accumulate(len(word) for word in words))
    return [[ids, ends + [-1] * (len(ids) - len(ends))]]


_TENSORS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "input_ids": ("int32", _one),
    "max_new_tokens": ("int32", lambda value: [[value]]),
    "beam_width": ("int32", _one),
    "end_id": ("int32", _one),
    "pad_id": ("int32", _one),
    "stop_words_list": ("int32", _words),
    "bad_words_list": ("int32", _words),
    "min_length": ("int32", _one),
    "runtime_top_k": ("int32", _one),
    "runtime_top_p": ("float32", _one),
    "temperature": ("float32", _one),
    "random_seed": ("int64", _one),
    "repetition_penalty": ("float32", _one),
    "presence_penalty": ("float32", _one),
    "frequency_penalty": ("float32", _one),
    "length_penalty": ("float32", _one),
    "return_log_probs": ("bool", _one),
}
"""dtype and shape of each tensor: [1], [1, n] for ids, [1, 1] for the length, [1, 2, n] for words (0.8.0's docs).

A bias is [1, vocabulary], of the logits' dtype."""


def plain(request: EngineRequest, ends: Ends, vocab_size: int, logits_dtype: str = "float32") -> Plain:
    """Return the values of a request, JSON-like, so that other ranks can be told."""
    s = request.sampling
    values: dict[str, Any] = {
        "is_streaming": s.num_beams == 1,
        "input_ids": list(request.prompt_ids),
        "max_new_tokens": s.max_new_tokens,
        "beam_width": s.num_beams,
        "end_id": -1 if s.ignore_eos else ends.first,
        **penalties(s),
    }
    if ends.ids:
        values["pad_id"] = ends.first
    if ends.others and not s.ignore_eos and not s.min_new_tokens:
        values["stop_words_list"] = [[token] for token in ends.others]
    if s.bad_words:
        values["bad_words_list"] = [list(word) for word in s.bad_words]
    if s.logit_bias:
        values["embedding_bias"] = (s.logit_bias, vocab_size, logits_dtype)
    if s.min_new_tokens:
        values["min_length"] = s.min_new_tokens
    if s.logprobs:
        values["return_log_probs"] = True
    if s.num_beams > 1:
        values["length_penalty"] = float(s.length_penalty)
    elif s.do_sample:
        filters = drawing(s, vocab_size)
        values |= {
            "runtime_top_k": filters["top_k"],
            "runtime_top_p": filters["top_p"],
            "temperature": filters["temperature"],
            "random_seed": s.seed & SEED_BITS,
        }
    else:
        values["runtime_top_k"] = 1
    return values


def inference_request(bindings: Any, handle: int, values: Plain) -> Any:
    """Make the library's request. `bindings` is `tensorrt_llm.bindings`."""
    import torch

    request = bindings.InferenceRequest(handle)
    for name, value in values.items():
        if name == "is_streaming":
            request.is_streaming = value
        elif name == "embedding_bias":
            request.embedding_bias = bias.tensor(*value).unsqueeze(0)
        else:
            dtype, shaped = _TENSORS[name]
            setattr(request, name, torch.tensor(shaped(value), dtype=getattr(torch, dtype)))
    return request
