"""Checks every request once more, right before an engine sees it.

Clients' mistakes are found by the schemas, in the clients' own words. This is the last door: an engine that
met one of these could give garbage (ids outside the vocabulary), end a request without a word, or take every
other request down with it (OpenVINO GenAI 2026.4.1, observed).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from djl_trtllm.core import EngineRequest, Limits, SamplingParams
from djl_trtllm.errors import InvalidRequest


def refusal(request: EngineRequest, limits: Limits) -> InvalidRequest | None:
    """Return why `request` cannot run, all reasons at once, or None when it can."""
    problems = [*_prompt_problems(request, limits), *_sampling_problems(request.sampling)]
    return InvalidRequest(*problems) if problems else None


def _prompt_problems(request: EngineRequest, limits: Limits) -> Iterator[str]:
    prompt = request.prompt_ids
    if not len(prompt):
        yield "The prompt has no tokens; at least one is needed."
        return
    if min(prompt) < 0 or max(prompt) >= limits.vocab_size.value:
        yield f"The prompt has token ids outside the model's vocabulary of {limits.vocab_size.value} tokens."
    wanted = len(prompt) + request.sampling.max_new_tokens
    for limit, what in (
        (limits.max_sequence_len, "the model's context"),
        (limits.kv_cache_tokens, "the KV cache"),
    ):
        if wanted > limit.value:
            yield (
                f"{len(prompt)} prompt tokens and {request.sampling.max_new_tokens} new tokens are {wanted}, "
                f"more than {what} of {limit.value} tokens ({limit.source}); "
                "shorten the prompt or lower max_new_tokens."
            )


def _sampling_problems(s: SamplingParams) -> Iterator[str]:
    if s.max_new_tokens < 1:
        yield f"max_new_tokens is {s.max_new_tokens}; it must be at least 1."
    elif not 0 <= s.min_new_tokens <= s.max_new_tokens:
        yield f"min_new_tokens is {s.min_new_tokens}; it must be between 0 and {s.max_new_tokens}."
    if s.do_sample:
        if not (s.temperature > 0 and math.isfinite(s.temperature)):
            yield f"temperature is {s.temperature}; it must be above 0 when sampling."
        if not 0 < s.top_p <= 1:
            yield f"top_p is {s.top_p}; it must be above 0 and at most 1."
        if not 0 <= s.min_p < 1:
            yield f"min_p is {s.min_p}; it must be at least 0 and below 1."
        if s.top_k < 0:
            yield f"top_k is {s.top_k}; it must be at least 0, where 0 means no filter."
    if not (s.repetition_penalty > 0 and math.isfinite(s.repetition_penalty)):
        yield f"repetition_penalty is {s.repetition_penalty}; it must be above 0."
    for name in ("presence_penalty", "frequency_penalty"):
        value = getattr(s, name)
        if not -2 <= value <= 2:
            yield f"{name} is {value}; it must be between -2 and 2."
    if s.num_beams != 1:
        yield f"num_beams is {s.num_beams}; this engine has no beam search, so it must be 1."
