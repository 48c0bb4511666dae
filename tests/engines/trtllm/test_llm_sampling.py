from djl_trtllm.core import EngineRequest, SamplingParams
from djl_trtllm.engines.trtllm.llm_sampling import sampling_values
from djl_trtllm.engines.trtllm.sequences import Ends


def values(ends: tuple[int, ...] = (2, 7), **sampling: object) -> dict[str, object]:
    params = SamplingParams(max_new_tokens=16, **sampling)  # type: ignore[arg-type]
    return sampling_values(EngineRequest(1, [5, 6], params), Ends(ends), 100)


PLAIN = {"max_tokens": 16, "end_id": 2, "detokenize": False, "include_stop_str_in_output": True}


def test_a_greedy_request_says_no_more_than_it_must() -> None:
    assert values() == {**PLAIN, "stop_token_ids": [7]}
    assert values((2,)) == PLAIN
    assert values(()) == {**PLAIN, "end_id": -1}


def test_filters_and_seed_go_with_sampling_only() -> None:
    drawn = {"temperature": 0.5, "top_k": 4, "top_p": 0.9, "min_p": 0.1, "seed": 2**70 + 3}
    assert values((2,), do_sample=False, **drawn) == PLAIN
    sampled = values((2,), do_sample=True, **drawn)
    assert sampled == {**PLAIN, "temperature": 0.5, "top_k": 4, "top_p": 0.9, "min_p": 0.1, "seed": 3}
    assert values((2,), do_sample=True, top_k=1000)["top_k"] == 0


def test_penalties_only_where_they_change_something() -> None:
    given = {"repetition_penalty": 1.5, "presence_penalty": 1.0, "frequency_penalty": -1.0}
    assert values((2,), **given) == {**PLAIN, **given}


def test_end_tokens_that_are_ignored_or_held_back() -> None:
    assert values(ignore_eos=True) == {**PLAIN, "ignore_eos": True}
    # The library's stop tokens know no least length; the engine watches for the second end token itself.
    assert values(min_new_tokens=3) == {**PLAIN, "min_tokens": 3}


def test_logprobs_and_beams() -> None:
    assert values((2,), logprobs=True) == {**PLAIN, "logprobs": 1}
    beams = {"use_beam_search": True, "n": 4, "best_of": 4, "length_penalty": 0.5}
    assert values((2,), num_beams=4, length_penalty=0.5) == {**PLAIN, **beams}


def test_words_and_alternatives() -> None:
    assert values((2,), bad_words=((7,), (8,))) == {**PLAIN, "bad_token_ids": [7, 8]}
    assert values((2,), top_logprobs=5) == {**PLAIN, "logprobs": 5}
    assert values((2,), logprobs=True, top_logprobs=0)["logprobs"] == 1


def test_a_bias_is_a_tensor() -> None:
    made = values((2,), logit_bias=((99, -1.0),)).pop("embedding_bias")
    assert (str(made.dtype), made.tolist()) == ("torch.float32", [0.0] * 99 + [-1.0])  # type: ignore[attr-defined]
