"""What an executor makes of a `Request`: a job, or a sentence that refuses it."""

from __future__ import annotations

import logging
import math
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours import checks, guided, jobs, tokens
from tests.contract.tensorrt_llm_stand_in.behaviours.failures import StepFailed
from tests.contract.tensorrt_llm_stand_in.behaviours.limits import Limits

log = logging.getLogger("tensorrt_llm")

FETCHING = "Encountered an error when fetching new request: "
BIASED = 1e-6


class Refused(Exception):
    """A request that ends with an error response and leaves the others alone."""

    def __init__(self, text: str) -> None:
        super().__init__(FETCHING + text)


def given(of: Any, *names: str, default: Any = None) -> Any:
    """Return the first of the attributes that exists and is not None."""
    for name in names:
        value = getattr(of, name, None)
        if value is not None:
            return value
    return default


def job(
    request: Any,
    job_id: int,
    limits: Limits,
    release: tuple[int, int],
    vocabulary: guided.Vocabulary | None = None,
) -> jobs.Job:
    """Return the job of a request; `vocabulary` is that of guided decoding. Raises `Refused`."""
    sampling = request.sampling_config
    checks.check({name: getattr(sampling, name, None) for name in checks.SAMPLING}, checks.SAMPLING)
    prompt = list(request.input_token_ids)
    streaming = request.streaming
    width = sampling.beam_width
    if width > 1 and streaming and release < (0, 13):
        raise Refused("Streaming with beam search is not supported")
    sequences = given(request, "num_return_sequences", default=None)
    sequences = sequences or given(sampling, "num_return_sequences", default=1)
    values = {"min_p" if name == "min_p" else name: getattr(sampling, name, None) for name in tokens.NEUTRAL}
    values["seed"] = given(sampling, "seed", "random_seed")
    answer, poison = None, None
    params = given(request, "guided_decoding_params")
    if params is not None:
        if vocabulary is None:
            raise Refused(
                "guided_decoding_params without a guided_decoding_config (the library passes them over)"
            )
        if width > 1:
            raise Refused("guided decoding does not support beam search")
        try:
            answer = guided.answer(params.guide_type.name, params.guide, vocabulary)
        except guided.NoGrammar as error:
            poison = StepFailed(f"Encountered an error in forwardAsync function: {error}", fatal=False)
    return jobs.Job(
        id=job_id,
        prompt=prompt,
        answer=answer,
        poison=poison,
        max_tokens=clipped(prompt, given(request, "max_tokens", "max_new_tokens"), width, limits),
        strands=jobs.strands(prompt, values, beam_width=width, sequences=1 if width > 1 else sequences),
        beam_width=width,
        end_id=given(request, "end_id", default=-1),
        min_tokens=given(sampling, "min_tokens", "min_length", default=0),
        stop_words=given(request, "stop_words", default=()),
        bad_words=given(request, "bad_words", default=()),
        bias=bias(given(request, "embedding_bias"), limits.vocab_size, limits.logits_dtype),
        streaming=streaming,
        extra=request,
    )


def clipped(prompt: list[int], wanted: int, beam_width: int, limits: Limits) -> int:
    """Return how many tokens a request may have. Raises `Refused` for a prompt that is too long or no prompt."""
    if any(token >= limits.vocab_size for token in prompt):
        raise Refused(f"a token id is out of the vocabulary of {limits.vocab_size}")
    if beam_width > limits.max_beam_width:
        raise Refused(
            f"Requested beam width {beam_width} is larger than configured max beam width {limits.max_beam_width}"
        )
    if len(prompt) > limits.max_input_len:
        raise Refused(
            f"Prompt length ({len(prompt)}) exceeds maximum input length ({limits.max_input_len}). Set log level to "
            "info and check TRTGptModel logs for how maximum input length is set"
        )
    room = limits.max_seq_len - len(prompt)
    if wanted > room:
        log.warning(
            "[TensorRT-LLM][WARNING] Request: max_new_tokens (%d) is clipped to %d: prompt length (%d) plus it "
            "exceeds the maximum sequence length (%d)",
            wanted,
            room,
            len(prompt),
            limits.max_seq_len,
        )
        return room
    return wanted


def bias(tensor: Any, vocab_size: int, dtype: str = "float32") -> dict[int, float]:
    """Return the biased ids of an `embedding_bias`. Raises `Refused` for a tensor of another shape or type.

    The library wants the type of the logits (and later releases take float32 for float16 as well).
    """
    if tensor is None:
        return {}
    if tuple(tensor.shape) != (vocab_size,) or str(tensor.dtype) != f"torch.{dtype}":
        raise Refused(
            f"embedding_bias must be a {dtype} tensor of shape [{vocab_size}], got {tuple(tensor.shape)} {tensor.dtype}"
        )
    if not all(math.isfinite(value) for value in tensor.tolist()):
        raise Refused("embedding_bias has values that are no numbers")
    return {i: value for i, value in enumerate(tensor.tolist()) if abs(value) > BIASED}
