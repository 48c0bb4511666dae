"""Checks every request once more, right before an engine sees it.

Clients' mistakes are found by the schemas, in the clients' own words. This is the last door: an engine that
met one of these could give garbage (ids outside the vocabulary), end a request without a word, or take every
other request down with it (OpenVINO GenAI 2026.4.1, observed).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from djl_trtllm.core import EngineRequest, Features, Guide, Limit, Limits, SamplingParams
from djl_trtllm.errors import InvalidRequest

_PLAIN = Features()


def refusal(
    request: EngineRequest, limits: Limits, features: Features = _PLAIN, *, bounded_output: bool = False
) -> InvalidRequest | None:
    """Return why `request` cannot run, all reasons at once, or None when it can.

    `bounded_output`: the engine itself gives no more than `max_output_len` tokens, not only the server.
    """
    problems = [
        *_prompt_problems(request, limits),
        *_output_problems(request.sampling, limits.max_output_len if bounded_output else None),
        *_sampling_problems(request.sampling, features),
        *_feature_problems(request, limits, features),
    ]
    return InvalidRequest(*problems) if problems else None


def unenforced(guide: Guide, features: Features) -> InvalidRequest | None:
    """Return why an engine cannot bind answers to a guide of that kind, or None when it can."""
    if guide.kind in features.guides:
        return None
    return InvalidRequest(
        f"This engine cannot bind an answer to a {guide.kind.value}; send the request without it."
    )


def _prompt_problems(request: EngineRequest, limits: Limits) -> Iterator[str]:
    prompt = request.prompt_ids
    if not len(prompt):
        yield "The prompt has no tokens; at least one is needed."
        return
    if min(prompt) < 0 or max(prompt) >= limits.vocab_size.value:
        yield f"The prompt has token ids outside the model's vocabulary of {limits.vocab_size.value} tokens."
    longest = limits.max_input_len
    if len(prompt) > longest.value:
        yield (
            f"The prompt has {len(prompt)} tokens, the limit is {longest.value} ({longest.source}); "
            "shorten it or raise max_input_len."
        )
    new, beams = request.sampling.max_new_tokens, max(1, request.sampling.num_beams)
    each = f" for each of {beams} beams" if beams > 1 else ""
    for limit, what, told, wanted in (
        (limits.max_sequence_len, "the model's context", "", len(prompt) + new),
        (limits.kv_cache_tokens, "the KV cache", each, len(prompt) + new * beams),
    ):
        if wanted > limit.value:
            yield (
                f"{len(prompt)} prompt tokens and {new} new tokens{told} are {wanted}, "
                f"more than {what} of {limit.value} tokens ({limit.source}); "
                "shorten the prompt or lower max_new_tokens."
            )


def _output_problems(s: SamplingParams, most: Limit | None) -> Iterator[str]:
    if s.max_new_tokens < 1:
        yield f"max_new_tokens is {s.max_new_tokens}; it must be at least 1."
        return
    if most is not None and s.max_new_tokens > most.value:
        yield f"max_new_tokens is {s.max_new_tokens}, the limit is {most.value} ({most.source})."
    if not 0 <= s.min_new_tokens <= s.max_new_tokens:
        yield f"min_new_tokens is {s.min_new_tokens}; it must be between 0 and {s.max_new_tokens}."


def _sampling_problems(s: SamplingParams, features: Features) -> Iterator[str]:
    if s.do_sample:
        if not (s.temperature > 0 and math.isfinite(s.temperature)):
            yield f"temperature is {s.temperature}; it must be above 0 when sampling."
        if not 0 < s.top_p <= 1:
            yield f"top_p is {s.top_p}; it must be above 0 and at most 1."
        if not 0 <= s.min_p < 1:
            yield f"min_p is {s.min_p}; it must be at least 0 and below 1."
        elif s.min_p and not features.min_p:
            yield f"min_p is {s.min_p}; this engine has no such filter, so it must be 0."
        if s.top_k < 0:
            yield f"top_k is {s.top_k}; it must be at least 0, where 0 means no filter."
    if not (s.repetition_penalty > 0 and math.isfinite(s.repetition_penalty)):
        yield f"repetition_penalty is {s.repetition_penalty}; it must be above 0."
    for name in ("presence_penalty", "frequency_penalty"):
        value = getattr(s, name)
        if not -2 <= value <= 2:
            yield f"{name} is {value}; it must be between -2 and 2."
    if s.num_beams != features.beam_width:
        why = (
            "this engine has no beam search"
            if features.beam_width == 1
            else "this engine runs one width at a time"
        )
        yield f"num_beams is {s.num_beams}; {why}, so it must be {features.beam_width}."
    elif s.num_beams > 1 and s.do_sample:
        yield f"num_beams is {s.num_beams} and do_sample is true; beams are never sampled."


def _feature_problems(request: EngineRequest, limits: Limits, features: Features) -> Iterator[str]:
    s, vocab_size = request.sampling, limits.vocab_size.value
    if s.logprobs and not features.logprobs:
        yield "Log-probabilities are asked for, and this engine gives none."
    if s.top_logprobs > features.top_logprobs:
        yield f"{s.top_logprobs} alternatives a token are asked for; this engine gives {features.top_logprobs}."
    if s.prompt_logprobs and not features.prompt_logprobs:
        yield "Log-probabilities of the prompt are asked for, and this engine gives none."
    if s.bad_words:
        if not features.bad_words:
            yield "Texts that must not come are named, and this engine cannot leave any out."
        elif not all(word and min(word) >= 0 and max(word) < vocab_size for word in s.bad_words):
            yield f"A text that must not come has token ids outside the vocabulary of {vocab_size} tokens, or none."
    if s.logit_bias:
        if not features.logit_bias:
            yield "logit_bias is set, and this engine has none."
        elif not all(0 <= token < vocab_size and math.isfinite(bias) for token, bias in s.logit_bias):
            yield f"logit_bias names ids outside the vocabulary of {vocab_size} tokens, or a bias that is no number."
    if request.guide is not None and request.guide.kind not in features.guides:
        yield f"This engine cannot bind an answer to a {request.guide.kind.value}."
