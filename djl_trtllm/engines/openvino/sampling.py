"""Sampling parameters on their way: ours to the message in the parent, the message to OpenVINO's in the child."""

from __future__ import annotations

from djl_trtllm.core import EngineRequest, Guide, GuideKind
from djl_trtllm.engines.openvino.messages import GRAMMAR, JSON, REGEX, Bound, Sampling, Sequenced, pack_ids

_INT32 = 2**31 - 1
_INT63 = 2**63 - 1
_KINDS = {GuideKind.JSON: JSON, GuideKind.REGEX: REGEX, GuideKind.GRAMMAR: GRAMMAR}


def sequenced(request: EngineRequest) -> Sequenced:
    """Return the message for a request that passed the last check.

    `length_penalty` is for beam search, which this engine does not have. A seed of any size is folded into the
    positive int64 that the pipeline takes.

    A guide says where its answer ends. Past that end the pipeline masks nothing any more, and while the end token is
    masked by `min_new_tokens` it takes token 0 (2026.4.1, observed); so neither is passed on with one.
    """
    s = request.sampling
    guided = request.guide is not None
    sampling = Sampling(
        max_new_tokens=s.max_new_tokens,
        min_new_tokens=0 if guided else s.min_new_tokens,
        do_sample=s.do_sample,
        temperature=float(s.temperature),
        top_k=min(s.top_k, _INT32),
        top_p=float(s.top_p),
        min_p=float(s.min_p),
        repetition_penalty=float(s.repetition_penalty),
        presence_penalty=float(s.presence_penalty),
        frequency_penalty=float(s.frequency_penalty),
        seed=s.seed & _INT63,
        ignore_eos=s.ignore_eos and not guided,
        logprobs=s.logprobs,
    )
    guide = None if request.guide is None else bound(request.guide)
    return Sequenced(request.id, pack_ids(request.prompt_ids), sampling, guide)


def bound(guide: Guide) -> Bound:
    """Return the message for a guide."""
    return Bound(_KINDS[guide.kind], guide.text)


def generation_values(sampling: Sampling, stop_ids: set[int]) -> dict[str, object]:
    """Arguments of GenerationConfig. What has no effect is left out: it is checked all the same there."""
    values: dict[str, object] = {
        "max_new_tokens": sampling.max_new_tokens,
        "min_new_tokens": sampling.min_new_tokens,
        "repetition_penalty": sampling.repetition_penalty,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        # Also turns the stop ids off.
        "ignore_eos": sampling.ignore_eos,
        "stop_token_ids": stop_ids,
        # Greedy log-probabilities read 0.0 without it.
        "logprobs": int(sampling.logprobs),
    }
    if sampling.do_sample:
        values |= {
            "do_sample": True,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "min_p": sampling.min_p,
            # Its own default is 0, which would make equal requests equal.
            "rng_seed": sampling.seed,
        }
        if sampling.top_k:
            values["top_k"] = sampling.top_k
    return values
