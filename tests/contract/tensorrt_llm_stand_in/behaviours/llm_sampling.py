"""`SamplingParams` of the LLM API: what it refuses, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours import jobs
from tests.contract.tensorrt_llm_stand_in.behaviours.failures import StepFailed
from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour
from tests.contract.tensorrt_llm_stand_in.behaviours.request_job import bias

NOT_NEGATIVE = ("top_k", "temperature", "min_tokens", "seed", "logprobs", "prompt_logprobs")
SAME = (
    "top_k",
    "top_p_min",
    "top_p_decay",
    "top_p_reset_ids",
    "min_p",
    "temperature",
    "seed",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "length_penalty",
    "no_repeat_ngram_size",
    "beam_search_diversity_rate",
    "early_stopping",
)


@behaviour("tensorrt_llm.SamplingParams", "tensorrt_llm.llmapi.SamplingParams")
class SamplingParams:
    """Checks what it is made of."""

    def __init__(self, context: Context, **values: Any) -> None:
        for name in NOT_NEGATIVE:
            if values.get(name) is not None and values[name] < 0:
                raise ValueError(f"require {name} >= 0, got {name}={values[name]}")
        top_p = values.get("top_p")
        if top_p is not None and not 0 <= top_p <= 1:
            raise ValueError(f"require 0 <= top_p <= 1, got top_p={top_p}")
        best_of, number = values.get("best_of"), values["n"]
        if number < 1 or (best_of is not None and best_of < number):
            raise ValueError(f"best_of ({best_of}) cannot be less than n ({number})")
        if max(number, best_of or 1) > 1 and not values.get("use_beam_search") and implied_greedy(values):
            raise ValueError(
                "Greedy decoding in the LLM API does not allow multiple returns. Please set to best_of=1, got "
                f"{best_of}"
            )
        if values.get("use_beam_search") and max(number, best_of or 1) < 2:
            raise ValueError(f"require best_of > 1 or n > 1 when use_beam_search, got {best_of}, {number}")
        for name in ("max_tokens", "repetition_penalty"):
            if values.get(name) is not None and values[name] <= 0:
                raise ValueError(f"require {name} > 0, got {name}={values[name]}")


def implied_greedy(values: Mapping[str, Any]) -> bool:
    """Say whether nothing is drawn: unlike the executor's, a temperature alone draws."""
    top_k, top_p, temperature = (values.get(name) for name in ("top_k", "top_p", "temperature"))
    return (top_k, top_p, temperature) == (None, None, None) or top_k == 1 or top_p == 0.0 or temperature == 0


def words(params: Any, text: str, ids: str) -> list[list[int]]:
    """Return the words of `stop` or `bad`; raises ValueError for text, as there is no tokenizer."""
    if getattr(params, text) is not None:
        raise ValueError(f"tokenizer is required to convert the strings of {text!r}")
    return [[token] for token in getattr(params, ids) or ()]


def job(
    params: Any,
    prompt: Sequence[int],
    max_tokens: int,
    *,
    job_id: int,
    vocab_size: int,
    ends: Sequence[int],
    streaming: bool,
    bad_words: bool = True,
    answer: Sequence[int] | None = None,
    poison: StepFailed | None = None,
) -> jobs.Job:
    """Return the job of a request; `ends` are the end ids of the model, for parameters without one.

    `bad_words`: whether the sampler knows them; `answer` and `poison` as those of a job.
    """
    values = {name: getattr(params, name, None) for name in SAME}
    given = {name: getattr(params, name) for name in ("top_k", "top_p", "temperature")}
    width = max(params.n, params.best_of or 1) if params.use_beam_search else 1
    sequences = 1 if params.use_beam_search else params.n
    if implied_greedy(given):
        values["top_k"] = 1
    else:
        values["top_p"] = 1.0 if params.top_p is None else params.top_p
    own = params.end_id
    end_id = own if own is not None else (ends[0] if ends else -1)
    stops = words(params, "stop", "stop_token_ids")
    if own is None:
        stops += [[token] for token in ends[1:]]
    if params.ignore_eos:
        end_id, stops = -1, words(params, "stop", "stop_token_ids")
    return jobs.Job(
        id=job_id,
        prompt=prompt,
        max_tokens=max_tokens,
        strands=jobs.strands(prompt, values, beam_width=width, sequences=sequences),
        beam_width=width,
        end_id=end_id,
        min_tokens=params.min_tokens or 0,
        stop_words=stops,
        bad_words=words(params, "bad", "bad_token_ids") if bad_words else (),
        bias=bias(params.embedding_bias, vocab_size),
        streaming=streaming,
        answer=answer,
        poison=poison,
    )
