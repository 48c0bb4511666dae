from __future__ import annotations

from typing import Any

import pytest

from djl_trtllm.core import EngineRequest, Guide, GuideKind, SamplingParams
from djl_trtllm.engines.trtllm import names
from djl_trtllm.engines.trtllm.requests import RequestMaker
from djl_trtllm.engines.trtllm.sequences import Ends
from tests.contract.tensorrt_llm_stand_in import installed
from tests.contract.tensorrt_llm_stand_in.rows import minor
from tests.support.trtllm_engines import EXECUTOR_ROWS, VOCAB


def made(row: str, ends: Ends = Ends((2,)), **sampling: object) -> tuple[dict[str, Any], dict[str, Any]]:  # noqa: B008
    """The arguments of Request and of SamplingConfig that a row of the library saw."""
    with installed(row) as recorder:
        from tensorrt_llm.bindings import executor

        params = SamplingParams(**{"max_new_tokens": 9, **sampling})  # type: ignore[arg-type]
        RequestMaker(executor, ends, VOCAB).make(EngineRequest(5, (10, 11), params))
        (request,), (config,) = recorder.of("Request"), recorder.of("SamplingConfig")
        (output,) = recorder.of("OutputConfig")
        assert output.arguments["exclude_input_from_output"] is True
        return request.arguments | {"output": output.arguments}, config.arguments


@pytest.mark.parametrize("row", EXECUTOR_ROWS)
def test_every_release_is_spoken_to_in_its_own_words(row: str) -> None:
    request, config = made(
        row, do_sample=True, seed=2**63 + 5, min_new_tokens=3, temperature=0.5, top_k=7, top_p=0.9
    )
    # The snapshots of 0.13's development still have the words of 0.12.
    new, newest = minor(row) >= (0, 13) and not row.startswith("0.12"), minor(row) >= (1, 0)
    assert request["max_tokens" if new else "max_new_tokens"] == 9
    assert request["input_token_ids"] == [10, 11]
    assert request["streaming"] is True
    assert request["end_id"] == 2
    assert config["seed" if new else "random_seed"] == 5
    assert config["min_tokens" if new else "min_length"] == 3
    assert (config["top_k"], config["top_p"], config["temperature"]) == (7, 0.9, 0.5)
    assert ("min_p" in made(row, do_sample=True, min_p=0.25)[1]) is newest


def test_greedy_is_top_k_1_and_nothing_else() -> None:
    assert made("1.2~", seed=4)[1] == {"beam_width": 1, "top_k": 1}


def test_sampling_says_both_filters() -> None:
    _, config = made("1.2~", do_sample=True, top_k=0, seed=1)
    assert (config["top_k"], config["top_p"]) == (0, 1.0)
    assert made("1.2~", do_sample=True, top_k=10**12)[1]["top_k"] == 0
    assert made("1.2~", do_sample=True, top_k=VOCAB - 1)[1]["top_k"] == VOCAB - 1


def test_top_k_stays_within_the_kernels() -> None:
    with installed("1.2~"):
        from tensorrt_llm.bindings import executor

        maker = RequestMaker(executor, Ends(), 100_000)
        request = maker.make(EngineRequest(1, [1], SamplingParams(4, do_sample=True, top_k=5000)))
        assert request.sampling_config.top_k == 1024


def test_penalties_only_where_they_change_something() -> None:
    _, config = made("0.12.0", repetition_penalty=1.5, presence_penalty=-1, frequency_penalty=0.25)
    assert config == {
        "beam_width": 1,
        "top_k": 1,
        "repetition_penalty": 1.5,
        "presence_penalty": -1.0,
        "frequency_penalty": 0.25,
    }


@pytest.mark.parametrize("row", ["0.9.0", "0.14.0", "0.15.0", "1.2~"])
def test_beams_do_not_stream_and_one_comes_back(row: str) -> None:
    request, config = made(row, num_beams=4, length_penalty=0.5)
    assert request["streaming"] is False
    assert (config["beam_width"], config["length_penalty"]) == (4, 0.5)
    assert (config.get("num_return_sequences") == 1) is (minor(row) >= (0, 15))


def test_end_tokens() -> None:
    several = Ends((2, 3, 4))
    request, _ = made("0.14.0", several)
    assert (request["end_id"], request["stop_words"]) == (2, [[3], [4]])
    request, _ = made("0.14.0", several, ignore_eos=True)
    assert (request["end_id"], request["stop_words"]) == (-1, None)
    # A least length would not hold stop words back.
    request, _ = made("0.14.0", several, min_new_tokens=1)
    assert (request["end_id"], request["stop_words"]) == (2, None)
    assert made("0.14.0", Ends())[0]["end_id"] == -1


def test_logprobs_when_asked() -> None:
    assert made("0.9.0", logprobs=True)[0]["output"]["return_log_probs"] is True
    assert made("0.9.0")[0]["output"]["return_log_probs"] is False


def test_a_class_that_tells_nothing_is_of_old() -> None:
    assert names.known(object, names.MAX_TOKENS) == "max_new_tokens"


@pytest.mark.parametrize("row", EXECUTOR_ROWS)
def test_bad_words_and_biases_go_to_every_release(row: str) -> None:
    request, _ = made(row, bad_words=((7,), (8, 9)), logit_bias=((3, 2.0), (VOCAB - 1, -1.0)))
    assert request["bad_words"] == [[7], [8, 9]]
    bias = request["embedding_bias"]
    assert (bias["dtype"], len(bias["values"])) == ("torch.float32", VOCAB)
    assert {n: value for n, value in enumerate(bias["values"]) if value} == {3: 2.0, VOCAB - 1: -1.0}


def test_a_bias_has_the_type_of_the_engines_logits() -> None:
    with installed("1.2~") as recorder:
        from tensorrt_llm.bindings import executor

        params = SamplingParams(max_new_tokens=9, logit_bias=((3, 2.0),))
        RequestMaker(executor, Ends(), VOCAB, "float16").make(EngineRequest(5, (10,), params))
        (call,) = recorder.of("Request")
    assert call.arguments["embedding_bias"]["dtype"] == "torch.float16"


def test_a_guide_goes_with_its_request() -> None:
    with installed("1.2~") as recorder:
        from tensorrt_llm.bindings import executor

        guide = Guide(GuideKind.JSON, "{}")
        RequestMaker(executor, Ends((2,)), VOCAB).make(
            EngineRequest(5, (10,), SamplingParams(max_new_tokens=9), guide)
        )
        (call,) = recorder.of("Request")
    assert call.arguments["guided_decoding_params"]["guide"] == "{}"
