from __future__ import annotations

import json
from typing import Any

import pytest

from djl_trtllm.core import Features, OpenAI, Prompt, Request, SamplingParams
from djl_trtllm.errors import InvalidRequest
from djl_trtllm.schemas.schemas import Schemas
from tests.support.lmi_bodies import DEFAULTS, EVERYTHING, FEATURES, LIMITS, completion, read


def problems(features: Features = EVERYTHING, **fields: object) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        read(completion(**fields), features=features)
    return list(caught.value.problems)


def test_the_smallest_completion() -> None:
    request = read(completion())
    openai = request.openai
    assert openai is not None
    assert openai.id.startswith("cmpl-")
    assert request == Request(
        [Prompt("Once upon")],
        SamplingParams(512, do_sample=True, seed=11),
        "completions",
        openai=OpenAI(openai.id, openai.created, "model"),
    )


@pytest.mark.parametrize(
    ("prompt", "made"),
    [
        ("a", [Prompt("a")]),
        (["a"], [Prompt("a")]),
        (["a", "b"], [Prompt("a"), Prompt("b")]),
        ([1, 49151], [Prompt(ids=[1, 49151])]),
        ([[1], [2, 3]], [Prompt(ids=[1]), Prompt(ids=[2, 3])]),
    ],
)
def test_prompts(prompt: Any, made: list[Prompt]) -> None:
    assert read(completion(prompt=prompt)).prompts == made


KINDS = "prompt must be a text, a list of texts, a list of token ids or a list of such lists, and not empty."
IDS = "has token ids that the model does not have: they go from 0 to 49151."


@pytest.mark.parametrize(
    ("prompt", "problem"),
    [
        (None, "prompt is missing: send a text."),
        ("", "prompt is empty: send at least one character."),
        ([], KINDS),
        (["a", 1], KINDS),
        ([1, [2]], KINDS),
        ([[]], "prompt[0] is empty: send at least one token id."),
        (["a", ""], "prompt[1] is empty: send at least one character."),
        ([49152], f"prompt {IDS}"),
        ([[1], [-1]], f"prompt[1] {IDS}"),
        ([10**30], f"prompt {IDS}"),
        (5, "prompt=5 must be a text, a list of texts, a list of token ids or a list of such lists."),
        ([1.5], "prompt must be a text, a list of texts, a list of token ids or a list of such lists."),
    ],
)
def test_bad_prompts(prompt: Any, problem: str) -> None:
    assert problems(prompt=prompt) == [problem]


def test_many_empty_prompts_are_not_all_named() -> None:
    assert len(problems(prompt=[[]] * 1000)) < 12
    assert len(problems(prompt=[""] * 1000)) < 12


def test_several_answers() -> None:
    request = read(completion(n=2, best_of=4, prompt=["a", "b"]))
    assert (request.n, request.sequences, request.sampling.logprobs) == (2, 4, True)
    assert problems(n=3, best_of=2) == ["best_of=2 is less than n=3: the 3 best are chosen from best_of."]
    assert problems(best_of=2, stream=True) == [
        "best_of=2 cannot stream: the best is known at the end; send stream=false."
    ]
    assert problems(n=17, prompt=["a", "b"]) == [
        "The request asks for 34 sequences (2 prompts, 17 of each); the limit is 32 (set by max_rolling_batch_size): "
        "send fewer prompts at once or lower n."
    ]


def test_log_probabilities_and_echo() -> None:
    none = read(completion(logprobs=0, echo=True), features=Features(prompt_logprobs=True))
    assert (none.sampling.logprobs, none.sampling.top_logprobs, none.sampling.prompt_logprobs) == (
        True,
        0,
        True,
    )
    assert none.openai is not None
    assert (none.openai.logprobs, none.openai.top_logprobs, none.openai.echo) == (True, 0, True)
    some = read(completion(logprobs=5), features=EVERYTHING)
    assert (some.sampling.top_logprobs, some.sampling.prompt_logprobs) == (5, False)
    assert problems(logprobs=6) == ["logprobs=6 must be a whole number from 0 to 5."]
    assert problems(FEATURES, logprobs=1, echo=True, stream=True) == [
        "logprobs=1 is not supported by this engine: it gives no alternatives of a token.",
        "echo with logprobs cannot stream; send stream=false.",
        "echo with logprobs is not supported: this engine gives no log-probabilities of the prompt.",
    ]


def test_echo_of_token_ids() -> None:
    assert read(completion(prompt=[[1, 2]], echo=True)).prompts == [Prompt("1 2", ids=[1, 2])]
    without = Schemas(DEFAULTS, LIMITS, FEATURES, None)
    with pytest.raises(InvalidRequest, match="echo is not supported with token ids"):
        without.parse(json.dumps({"prompt": [1], "echo": True}).encode(), "", "", None)


def test_what_is_refused() -> None:
    assert problems(suffix="x")[0].startswith("suffix is not supported")
    assert read(completion(suffix="")).warnings == ()
    assert problems(use_beam_search=True) == [
        "use_beam_search is not supported: this server has no beam search by request."
    ]
    assert read(completion(use_beam_search=False, stop_token_ids=[], prompt_logprobs=None)).warnings == ()
    assert problems(output_formatter="json") == [
        "output_formatter must be one of completions for a body with prompt."
    ]
    assert not read(completion(add_special_tokens=False)).prompts[0].special


def test_beams_do_not_stream() -> None:
    assert problems(Features(beam_width=2), temperature=0, stream=True) == [
        "The 2 beams of this engine cannot stream; send stream=false."
    ]
