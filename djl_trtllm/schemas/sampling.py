"""From the parameters of a request to `SamplingParams`: defaults, caps, and what must hold between parameters.

LMI's defaults under `do_sample` are those that LMI documents for TensorRT-LLM: temperature 1.0, top_k 5, top_p 0.85.
Upstream's code takes temperature 0.8 instead (DJL-Serving 0.27 to 0.36, read); the documents win. OpenAI's API
samples unless told otherwise: temperature 1.0, no filter (API reference, 2024 to 2025).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from djl_trtllm.core import SEED_MASK, Features, Limits, SamplingParams
from djl_trtllm.schemas import abilities
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.schemas.openai_parameters import OpenAIParameters
from djl_trtllm.schemas.parameters import Parameters

COLDEST = 0.01
"""Temperatures below are greedy: the likeliest token wins anyway, and dividing by them loses precision."""


@dataclass(slots=True)
class Sampling:
    """Makes the sampling of one request. Wrong combinations go to `problems`, ignored values to `warnings`.

    `logprobs`, `top_logprobs` and `prompt_logprobs` are what the answer will show, checked already.
    """

    defaults: Defaults
    limits: Limits
    features: Features
    seed: int | None
    problems: list[str]
    warnings: list[str]
    logprobs: bool = False
    top_logprobs: int = 0
    prompt_logprobs: bool = False

    def of_lmi(self, given: Parameters) -> SamplingParams:
        """Fill in what a request of LMI's schema left open."""
        if given.min_new_tokens is not None:
            least = ("min_new_tokens", given.min_new_tokens)
        else:
            least = ("min_length", given.min_length or 0)
        length = self._lengths(
            "max_new_tokens", given.max_new_tokens, self.defaults.default_max_new_tokens, least
        )
        sample = given.do_sample is True
        temperature, top_k, top_p, min_p = given.temperature, given.top_k, given.top_p, given.min_p
        if sample:
            temperature = 1.0 if temperature is None else temperature
            top_k = 5 if top_k is None else top_k
            top_p = 0.85 if top_p is None else top_p
        elif not (temperature is None and top_k is None and top_p is None and min_p is None):
            self.warnings.append("temperature, top_k, top_p and min_p have no effect without do_sample=true.")
        ignore_eos = bool(given.ignore_eos_token or given.ignore_eos)
        draw = (sample, temperature or 0.0, top_k or 0, 1.0 if top_p is None else top_p, min_p or 0.0)
        return self._params(given, length, draw, ignore_eos, given.num_beams)

    def of_openai(self, given: OpenAIParameters, name: str, wanted: int | None) -> SamplingParams:
        """Fill in what a request of OpenAI's API left open. `name` is what asks for `wanted` new tokens."""
        default = self.defaults.openai_max_new_tokens or self.limits.max_output_len.value
        length = self._lengths(name, wanted, default, ("min_tokens", given.min_tokens or 0))
        temperature, top_p = given.temperature, given.top_p
        top_k = max(given.top_k or 0, 0)
        draw = (
            True,
            1.0 if temperature is None else temperature,
            top_k,
            1.0 if top_p is None else top_p,
            given.min_p or 0.0,
        )
        return self._params(given, length, draw, given.ignore_eos is True, None)

    def _params(
        self,
        given: Parameters | OpenAIParameters,
        length: tuple[int, int],
        draw: tuple[bool, float, int, float, float],
        ignore_eos: bool,
        num_beams: int | None,
    ) -> SamplingParams:
        sample, temperature, top_k, top_p, min_p = draw
        if sample and min_p and not self.features.min_p:
            self.problems.append(f"min_p={min_p:g} is not supported by this engine; leave it out.")
        sample = sample and temperature >= COLDEST and top_p > 0
        seed = given.seed if given.seed is not None else self.seed
        repetition, length_penalty = given.repetition_penalty, given.length_penalty
        return SamplingParams(
            max_new_tokens=length[0],
            min_new_tokens=length[1],
            do_sample=sample,
            temperature=temperature if sample else 1.0,
            top_k=top_k if sample else 0,
            top_p=top_p if sample else 1.0,
            min_p=min_p if sample else 0.0,
            repetition_penalty=1.0 if repetition is None else repetition,
            presence_penalty=given.presence_penalty or 0.0,
            frequency_penalty=given.frequency_penalty or 0.0,
            length_penalty=1.0 if length_penalty is None else length_penalty,
            seed=random.getrandbits(63) if seed is None else seed & SEED_MASK,
            ignore_eos=ignore_eos,
            num_beams=self._beams(num_beams, sample),
            logprobs=self.logprobs and self.features.logprobs,
            top_logprobs=self.top_logprobs,
            prompt_logprobs=self.prompt_logprobs,
            logit_bias=abilities.bias(given.logit_bias, self.limits, self.features, self.problems),
        )

    def _beams(self, wanted: int | None, sample: bool) -> int:
        """Return the beams of the request: all requests have those that the engine is set to."""
        width = self.features.beam_width
        if wanted is not None and wanted != width:
            if width == 1:
                self.problems.append(f"num_beams={wanted} is not supported by this engine; leave it out.")
            else:
                self.problems.append(
                    f"num_beams={wanted} is not what this engine runs; every request has {width} beams "
                    "(option max_beam_width): leave it out."
                )
        elif width > 1 and sample:
            self.problems.append(
                f"Drawing at random does not go with the {width} beams of this engine; send do_sample=false or "
                "temperature=0."
            )
        return width

    def _lengths(
        self, name: str, wanted: int | None, default: int, at_least: tuple[str, int]
    ) -> tuple[int, int]:
        """Return the most and the least new tokens."""
        limit = self.limits.max_output_len
        most = default if wanted is None else wanted
        least_name, least = at_least
        if least > most:
            note = " (its default)" if wanted is None else ""
            self.problems.append(f"{least_name}={least} is more than {name}={most}{note}.")
        if most > limit.value:
            if wanted is not None:
                self.warnings.append(f"{name}={wanted} was lowered to {limit.value} (set by {limit.source}).")
            most = limit.value
        return most, min(least, most)
