from __future__ import annotations

import pytest

from djl_trtllm.core import EngineRequest, Features, SamplingParams
from djl_trtllm.engines.admission import refusal
from tests.contract.engine_suite import BAD
from tests.support.toy_engine import toy_limits

PLAIN = Features()
LIMITS = toy_limits(max_sequence_len=100, kv_cache_tokens=64, vocab_size=500)


def said(prompt: list[int], *, features: Features = PLAIN, **sampling: object) -> list[str]:
    request = EngineRequest(1, prompt, SamplingParams(**{"max_new_tokens": 8, **sampling}))  # type: ignore[arg-type]
    error = refusal(request, LIMITS, features)
    return [] if error is None else list(error.problems)


@pytest.mark.parametrize(
    "sampling",
    [
        {},
        {"temperature": 0.0, "top_p": 0.0, "min_p": 2.0, "top_k": -1},  # Greedy: none of them is looked at.
        {"do_sample": True, "temperature": 1e-6, "top_p": 1.0, "min_p": 0.0, "top_k": 0},
        {"presence_penalty": -2.0, "frequency_penalty": 2.0, "repetition_penalty": 1e-3},
        {"min_new_tokens": 8},
    ],
)
def test_what_can_run_is_not_refused(sampling: dict[str, object]) -> None:
    assert said([0, 499], **sampling) == []


@pytest.mark.parametrize("name", list(BAD))
def test_what_cannot_run_is_named(name: str) -> None:
    prompt, sampling, expected = BAD[name]
    problems = said(list(prompt), **sampling)
    assert problems
    assert any(expected in problem for problem in problems)


def test_both_limits_are_told_with_their_sources() -> None:
    assert said([1] * 56) == []
    (cache,) = said([1] * 57)
    assert "65, more than the KV cache of 64 tokens (openvino_kv_cache)" in cache
    context, _ = said([1] * 93)
    assert "101, more than the model's context of 100 tokens (config.json)" in context


def test_no_token_is_repeated_in_the_error() -> None:
    (problem,) = said([123456])
    assert "123456" not in problem


def test_the_longest_prompt_is_told_with_its_source() -> None:
    short = toy_limits(max_input_len=3)
    request = EngineRequest(1, [1, 2, 3, 4], SamplingParams(max_new_tokens=1))
    assert list(refusal(request, short).problems) == [  # type: ignore[union-attr]
        "The prompt has 4 tokens, the limit is 3 (max_input_len); shorten it or raise max_input_len."
    ]
    assert refusal(EngineRequest(1, [1, 2, 3], SamplingParams(max_new_tokens=1)), short) is None


def test_only_the_beams_of_the_engine() -> None:
    four = Features(beam_width=4)
    assert said([1], features=four, num_beams=4) == []
    assert said([1], features=four) == [
        "num_beams is 1; this engine runs one width at a time, so it must be 4."
    ]
    assert said([1], num_beams=2) == ["num_beams is 2; this engine has no beam search, so it must be 1."]
    assert said([1], features=four, num_beams=4, do_sample=True) == [
        "num_beams is 4 and do_sample is true; beams are never sampled."
    ]


def test_beams_share_the_prompt_in_the_cache() -> None:
    four = Features(beam_width=4)
    assert said([1] * 32, features=four, num_beams=4) == []
    (cache,) = said([1] * 33, features=four, num_beams=4)
    assert "33 prompt tokens and 8 new tokens for each of 4 beams are 65" in cache


def test_min_p_only_where_it_is() -> None:
    assert said([1], do_sample=True, min_p=0.1) == []
    assert said([1], features=Features(min_p=False), do_sample=True) == []
    assert said([1], features=Features(min_p=False), do_sample=True, min_p=0.1) == [
        "min_p is 0.1; this engine has no such filter, so it must be 0."
    ]


def test_no_more_tokens_than_an_engine_gives() -> None:
    limits = toy_limits(max_output_len=9)
    request = EngineRequest(1, [1], SamplingParams(max_new_tokens=10))
    assert refusal(request, limits) is None
    assert list(refusal(request, limits, bounded_output=True).problems) == [  # type: ignore[union-attr]
        "max_new_tokens is 10, the limit is 9 (max_output_len)."
    ]
    request = EngineRequest(1, [1], SamplingParams(max_new_tokens=9))
    assert refusal(request, limits, bounded_output=True) is None
