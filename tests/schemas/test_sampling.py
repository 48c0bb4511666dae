from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.core import Features, SamplingParams
from djl_trtllm.errors import InvalidRequest
from djl_trtllm.schemas.defaults import Defaults
from tests.support.lmi_bodies import FEATURES, body, read


def sampling(**parameters: object) -> SamplingParams:
    return read(body(**parameters)).sampling


def refused(features: Features = FEATURES, **parameters: object) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        read(body(**parameters), features=features)
    return list(caught.value.problems)


def test_greedy_by_default() -> None:
    assert sampling() == SamplingParams(max_new_tokens=30, seed=11)
    assert sampling(do_sample=False) == sampling()


def test_filters_have_no_effect_without_do_sample() -> None:
    request = read(body(temperature=0.7, top_k=3, top_p=0.5, min_p=0.1))
    assert request.sampling == SamplingParams(max_new_tokens=30, seed=11)
    assert request.warnings == ("temperature, top_k, top_p and min_p have no effect without do_sample=true.",)


def test_what_do_sample_means_alone() -> None:
    params = sampling(do_sample=True)
    assert (params.do_sample, params.temperature, params.top_k, params.top_p, params.min_p) == (
        True,
        1.0,
        5,
        0.85,
        0.0,
    )


def test_filters_as_asked() -> None:
    params = sampling(do_sample=True, temperature=0.7, top_k=0, top_p=1, min_p=0.2)
    assert (params.temperature, params.top_k, params.top_p, params.min_p) == (0.7, 0, 1.0, 0.2)


@pytest.mark.parametrize("cold", [{"temperature": 0}, {"temperature": 0.009}, {"top_p": 0}])
def test_no_randomness_left_is_greedy(cold: dict[str, float]) -> None:
    assert sampling(do_sample=True, **cold) == SamplingParams(max_new_tokens=30, seed=11)


def test_penalties_and_flags() -> None:
    params = sampling(
        repetition_penalty=1.2,
        presence_penalty=-1,
        frequency_penalty=2,
        length_penalty=0,
        ignore_eos_token=True,
    )
    assert (params.repetition_penalty, params.presence_penalty, params.frequency_penalty) == (1.2, -1.0, 2.0)
    assert (params.length_penalty, params.ignore_eos) == (0.0, True)
    assert sampling(ignore_eos=True).ignore_eos


def test_lengths() -> None:
    assert sampling(max_new_tokens=512, min_new_tokens=512).min_new_tokens == 512
    assert sampling(min_length=4).min_new_tokens == 4
    assert sampling(min_length=4, min_new_tokens=2).min_new_tokens == 2
    assert refused(min_length=31) == ["min_length=31 is more than max_new_tokens=30 (its default)."]
    assert refused(max_new_tokens=3, min_new_tokens=4) == ["min_new_tokens=4 is more than max_new_tokens=3."]


def test_output_limit_lowers_both_lengths() -> None:
    request = read(body(max_new_tokens=10_000, min_new_tokens=9_000))
    assert (request.sampling.max_new_tokens, request.sampling.min_new_tokens) == (512, 512)
    assert request.warnings == ("max_new_tokens=10000 was lowered to 512 (set by max_output_len).",)
    quiet = read(body(), defaults=Defaults(default_max_new_tokens=10_000))
    assert (quiet.sampling.max_new_tokens, quiet.warnings) == (512, ())


@given(st.integers(-(2**200), 2**200))
def test_any_seed_becomes_63_bits(seed: int) -> None:
    assert 0 <= sampling(seed=seed).seed < 2**63
    assert sampling(seed=seed) == sampling(seed=seed)
    assert 0 <= read(body(), seed=seed).sampling.seed < 2**63
    if 0 <= seed < 2**63:
        assert sampling(seed=seed).seed == seed


def test_without_any_seed_each_request_draws_its_own() -> None:
    assert len({read(body(), seed=None).sampling.seed for _ in range(20)}) > 1
    assert sampling(seed=0).seed == 0


def test_log_probabilities_where_they_are_shown() -> None:
    assert not sampling().logprobs
    assert sampling(details=True).logprobs
    assert sampling(stream=True).logprobs
    assert not read(body(details=True), features=Features(logprobs=False)).sampling.logprobs


def test_what_the_engine_cannot_do() -> None:
    assert refused(num_beams=2) == ["num_beams=2 is not supported by this engine; leave it out."]
    assert refused(do_sample=True, min_p=0.5, features=Features(min_p=False)) == [
        "min_p=0.5 is not supported by this engine; leave it out."
    ]
    harmless = read(
        body(n=1, num_beams=1, best_of=1, top_n_tokens=0, decoder_input_details=False, bad_sequences=[])
    )
    assert harmless.warnings == ()


def test_beams_are_those_of_the_engine() -> None:
    beams = Features(beam_width=4)
    assert read(body(num_beams=4), features=beams).sampling.num_beams == 4
    assert read(body(), features=beams).sampling.num_beams == 4
    for other in (1, 2):
        assert refused(beams, num_beams=other) == [
            f"num_beams={other} is not what this engine runs; every request has 4 beams "
            "(option max_beam_width): leave it out."
        ]
    assert refused(beams, do_sample=True) == [
        "Drawing at random does not go with the 4 beams of this engine; send do_sample=false or temperature=0."
    ]
    assert refused(beams, num_beams=4, stream=True) == [
        "The 4 beams of this engine cannot stream; send stream=false."
    ]
    assert refused(beams, stream=True, do_sample=True) == [
        "Drawing at random does not go with the 4 beams of this engine; send do_sample=false or temperature=0.",
        "The 4 beams of this engine cannot stream; send stream=false.",
    ]


def test_greedy_by_temperature_goes_with_beams() -> None:
    assert read(body(do_sample=True, temperature=0), features=Features(beam_width=2)).sampling.num_beams == 2
