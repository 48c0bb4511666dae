"""From the parameters of a request to `SamplingParams`: defaults, caps, and what must hold between parameters.

Defaults under `do_sample` are those that LMI documents for TensorRT-LLM: temperature 1.0, top_k 5, top_p 0.85.
Upstream's code takes temperature 0.8 instead (DJL-Serving 0.27 to 0.36, read); the documents win.
"""

from __future__ import annotations

import random

from djl_trtllm.core import Features, Limits, SamplingParams
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.schemas.parameters import Parameters

COLDEST = 0.01
"""Temperatures below are greedy: the likeliest token wins anyway, and dividing by them loses precision."""
_SEED_MASK = 2**63 - 1


def sampling_params(
    given: Parameters,
    defaults: Defaults,
    limits: Limits,
    features: Features,
    seed: int | None,
    *,
    logprobs: bool,
    problems: list[str],
    warnings: list[str],
) -> SamplingParams:
    """Fill in what `given` left open. Wrong combinations go to `problems`, ignored values to `warnings`."""
    most, least = _lengths(given, defaults, limits, problems, warnings)
    sample = given.do_sample is True
    temperature, top_k, top_p, min_p = given.temperature, given.top_k, given.top_p, given.min_p
    if sample:
        temperature = 1.0 if temperature is None else temperature
        top_k = 5 if top_k is None else top_k
        top_p = 0.85 if top_p is None else top_p
        min_p = min_p or 0.0
        if min_p and not features.min_p:
            problems.append(f"min_p={min_p:g} is not supported by this engine; leave it out.")
        sample = temperature >= COLDEST and top_p > 0
    elif not (temperature is None and top_k is None and top_p is None and min_p is None):
        warnings.append("temperature, top_k, top_p and min_p have no effect without do_sample=true.")
    beams = _beams(given.num_beams, features.beam_width, sample, problems)
    own_seed = given.seed if given.seed is not None else seed
    repetition, length = given.repetition_penalty, given.length_penalty
    return SamplingParams(
        max_new_tokens=most,
        min_new_tokens=least,
        do_sample=sample,
        temperature=temperature if sample and temperature is not None else 1.0,
        top_k=top_k if sample and top_k is not None else 0,
        top_p=top_p if sample and top_p is not None else 1.0,
        min_p=min_p if sample and min_p is not None else 0.0,
        repetition_penalty=1.0 if repetition is None else repetition,
        presence_penalty=given.presence_penalty or 0.0,
        frequency_penalty=given.frequency_penalty or 0.0,
        length_penalty=1.0 if length is None else length,
        seed=random.getrandbits(63) if own_seed is None else own_seed & _SEED_MASK,
        ignore_eos=bool(given.ignore_eos_token or given.ignore_eos),
        num_beams=beams,
        logprobs=logprobs and features.logprobs,
    )


def _beams(wanted: int | None, width: int, sample: bool, problems: list[str]) -> int:
    """Return the beams of the request: all requests have those that the engine is set to."""
    if wanted is not None and wanted != width:
        if width == 1:
            problems.append(f"num_beams={wanted} is not supported by this engine; leave it out.")
        else:
            problems.append(
                f"num_beams={wanted} is not what this engine runs; every request has {width} beams "
                "(option max_beam_width): leave it out."
            )
    elif width > 1 and sample:
        problems.append(f"do_sample=true does not go with the {width} beams of this engine; leave it out.")
    return width


def _lengths(
    given: Parameters, defaults: Defaults, limits: Limits, problems: list[str], warnings: list[str]
) -> tuple[int, int]:
    """Return the most and the least new tokens."""
    limit = limits.max_output_len
    wanted = given.max_new_tokens
    most = defaults.default_max_new_tokens if wanted is None else wanted
    least = given.min_new_tokens if given.min_new_tokens is not None else given.min_length or 0
    if least > most:
        name = "min_new_tokens" if given.min_new_tokens is not None else "min_length"
        default = " (its default)" if wanted is None else ""
        problems.append(f"{name}={least} is more than max_new_tokens={most}{default}.")
    if most > limit.value:
        if wanted is not None:
            warnings.append(f"max_new_tokens={wanted} was lowered to {limit.value} (set by {limit.source}).")
        most = limit.value
    return most, min(least, most)
