from __future__ import annotations

import json

import pytest

from djl_trtllm.core import Prompt, SamplingParams
from djl_trtllm.errors import EngineRestarting
from tests.formats.helpers import ending, failed, response, whole
from tests.formats.streams import lines

PROMPTS = (Prompt("x", (1,)), Prompt("y", (3,)))


def test_the_likeliest_of_each_prompt_best_first() -> None:
    output = response("jsonlines", prompts=PROMPTS, n=2, sequences=3, listed=True)
    assert output.keeps_tokens
    scores = (-3.0, -1.0, -2.0, -1.0, -1.0, -5.0)
    endings = [ending(f"{i}", score=score, index=i) for i, score in enumerate(scores)]
    last = [line for line in lines(whole(output, *endings)) if "generated_text" in line]
    assert [(line["index"], line["generated_text"]) for line in last] == [
        (0, "1"),
        (1, "2"),
        (2, "3"),
        (3, "4"),
    ]


def test_everything_of_the_chosen_is_shown() -> None:
    sampling = SamplingParams(5, logprobs=True, top_logprobs=1)
    output = response("jsonlines", n=1, sequences=2, sampling=sampling)
    chosen = ending(logprobs=[-0.5, -1.0, -2.0], tops=[[(5, -0.5)], [(7, -1.0)], [(2, -2.0)]], score=-3.5)
    read = lines(whole(output, chosen, ending("b", score=-4.0, index=1)))
    assert [line["token"]["log_prob"] for line in read] == [-0.5, -1.0, -2.0]
    assert all(len(line["top_tokens"]) == 1 for line in read)
    empty = ending("", tokens=(), texts=())
    assert lines(whole(response("jsonlines", n=1, sequences=2), empty, empty))[0]["token"]["id"] == -1


@pytest.mark.parametrize("name", ["jsonlines", "sse_chat", "completions", "tgi", "text"])
def test_a_tail_without_a_log_prob_is_not_lost(name: str) -> None:
    tail = ending("a\ufffd", tokens=[5, -1], texts=["a", "\ufffd"], logprobs=[-1.0], tops=[[(5, -1.0)]])
    data = whole(response(name, n=1, sequences=2, stream=True), tail, tail)
    assert data.count("\ufffd") >= 1
    assert data.count('"a"') + data.count("a\ufffd") >= 1


def test_one_that_failed_is_the_answer() -> None:
    error = EngineRestarting("The engine broke.")
    output = response("json", n=1, sequences=2)
    assert json.loads(whole(output, ending("a", score=0.0), failed(error, index=1)))["error"] == str(error)
    *_, last, done = whole(response("sse_chat", n=1, sequences=2), failed(error)).split("\n\n")[:-1]
    assert json.loads(last[6:])["choices"][0]["finish_reason"] == "error"
    assert done == "data: [DONE]"
