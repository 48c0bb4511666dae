"""Prompts to ids within the limits."""

from __future__ import annotations

import pytest

from djl_trtllm.core import Prompt, Request, SamplingParams
from djl_trtllm.errors import InvalidRequest
from djl_trtllm.rolling_batch.prompts import Prompts
from tests.support.loop import tokenizer
from tests.support.toy_engine import toy_limits

TEXT = "the quick brown fox jumps over the lazy dog"
IDS = tokenizer().encode(TEXT)


def encode(*prompts: Prompt, on_long_input: str = "reject", truncate: int | None = None, **limits: int):
    request = Request(prompts, SamplingParams(4), "json", truncate=truncate)
    Prompts(tokenizer(), toy_limits(**limits), on_long_input).encode(request)
    return [list(prompt.ids) for prompt in prompts]


@pytest.mark.parametrize(("mode", "expected"), [("truncate_left", IDS[-5:]), ("truncate_right", IDS[:5])])
def test_long_input_is_cut_where_the_option_says_so(mode, expected):
    assert encode(Prompt(TEXT), max_input_len=5, on_long_input=mode) == [expected]


def test_long_input_is_refused_by_default_with_both_numbers_and_the_option():
    with pytest.raises(InvalidRequest, match=rf"{len(IDS)} tokens, the limit is 5 \(set by max_input_len\)"):
        encode(Prompt(TEXT), max_input_len=5)


def test_a_huge_prompt_is_refused_by_its_bytes_alone(monkeypatch):
    monkeypatch.setattr(tokenizer(), "encode", lambda *_: pytest.fail("the prompt was tokenised"))
    with pytest.raises(InvalidRequest, match="at least"):
        encode(Prompt(TEXT * 10_000), max_input_len=50)


def test_a_huge_prompt_in_another_script_is_refused_by_its_bytes_where_its_characters_are_few(monkeypatch):
    monkeypatch.setattr(tokenizer(), "encode", lambda *_: pytest.fail("the prompt was tokenised"))
    text = "größer " * 3_000
    characters, size = (tokenizer().min_tokens(n) for n in (len(text), len(text.encode())))
    assert size > characters
    with pytest.raises(InvalidRequest, match=f"at least {size} tokens"):
        encode(Prompt(text), max_input_len=size - 1)


def test_a_requests_own_truncate_wins_and_never_exceeds_the_limit():
    assert encode(Prompt(TEXT), truncate=7) == [IDS[-7:]]
    assert encode(Prompt(TEXT), truncate=7, max_input_len=5, on_long_input="truncate_right") == [IDS[-5:]]


@pytest.mark.parametrize("mode", ["truncate_left", "truncate_right"])
def test_of_a_huge_prompt_only_the_end_that_is_kept_is_encoded(mode, monkeypatch):
    whole, real, seen = tokenizer().encode(TEXT * 10_000), tokenizer().encode, []
    monkeypatch.setattr(tokenizer(), "encode", lambda *given: seen.append(len(given[0])) or real(*given))
    expected = whole[-50:] if mode == "truncate_left" else whole[:50]
    assert encode(Prompt(TEXT * 10_000), max_input_len=50, on_long_input=mode) == [expected]
    assert sum(seen) < len(TEXT) * 2_500


def test_a_prompt_is_refused_by_its_size_before_it_is_read_where_it_may_not_be_cut():
    prompts = Prompts(tokenizer(), toy_limits(max_input_len=50), "reject")
    size = len(TEXT * 10_000)
    assert f"The prompt has at least {tokenizer().min_tokens(size)} tokens, the limit is 50" in str(
        prompts.refusal("The prompt", text_bytes=size)
    )
    assert "The prompt has 51 tokens, the limit is 50" in str(prompts.refusal("The prompt", tokens=51))
    assert prompts.refusal("The prompt", tokens=50) is None
    assert prompts.refusal("The prompt", text_bytes=50) is None
    cut = Prompts(tokenizer(), toy_limits(max_input_len=50), "truncate_left")
    assert cut.refusal("The prompt", text_bytes=size) is None


def test_a_prompt_that_fills_the_context_is_refused():
    with pytest.raises(InvalidRequest, match="leaves no room for output"):
        encode(Prompt(TEXT), max_sequence_len=len(IDS))


def test_ids_are_taken_as_they_are():
    assert encode(Prompt("", [5, 6, 7]), truncate=2) == [[6, 7]]


def test_all_prompts_that_are_wrong_are_named():
    with pytest.raises(InvalidRequest) as caught:
        encode(Prompt("fox"), Prompt(TEXT), Prompt("x \ud800"), max_input_len=5)
    first, second = caught.value.problems
    assert first.startswith("Prompt 1 has")
    assert "surrogate" in second
