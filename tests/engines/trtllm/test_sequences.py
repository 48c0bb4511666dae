from __future__ import annotations

import math

import pytest

from djl_trtllm.core import EngineRequest, FinishReason, SamplingParams, TokenChunk
from djl_trtllm.engines.trtllm.sequences import NO_LOGPROB, Ends, Reason, Sequence
from djl_trtllm.errors import GenerationFailed

EOS, EOT = 7, 8
ENDS = Ends((EOS, EOT))


def sequence(most: int = 10, ends: Ends = ENDS, **sampling: object) -> Sequence:
    params = SamplingParams(max_new_tokens=most, **sampling)  # type: ignore[arg-type]
    return Sequence.of(EngineRequest(1, [50, 51], params), ends)


def said(chunk: TokenChunk | None) -> tuple[list[int], FinishReason | None]:
    assert chunk is not None
    assert chunk.error is None
    return list(chunk.tokens), chunk.finish


def test_tokens_come_as_they_are_told() -> None:
    s = sequence()
    assert said(s.more([1, 2], None)) == ([1, 2], None)
    assert s.more([], None) is None
    assert said(s.more([3], None)) == ([3], None)
    assert (s.count, s.last, s.over) == (3, 3, False)


@pytest.mark.parametrize(
    ("tokens", "reason", "expected"),
    [
        ([], Reason.END, ([EOS], FinishReason.EOS)),  # the decoder leaves its end token out
        ([4], Reason.END, ([4, EOS], FinishReason.EOS)),
        ([4, EOS], Reason.END, ([4, EOS], FinishReason.EOS)),
        ([EOT], Reason.END, ([EOT], FinishReason.EOS)),  # a stop word is there
        ([4], Reason.LENGTH, ([4], FinishReason.LENGTH)),
        ([4], Reason.UNTOLD, ([4, EOS], FinishReason.EOS)),
        ([], Reason.UNTOLD, ([EOS], FinishReason.EOS)),
        ([4, 5, 6], Reason.UNTOLD, ([4, 5, 6], FinishReason.LENGTH)),
        ([4, 5, EOT], Reason.UNTOLD, ([4, 5, EOT], FinishReason.EOS)),
        ([4, 5, EOS], Reason.LENGTH, ([4, 5, EOS], FinishReason.EOS)),
    ],
)
def test_endings(tokens: list[int], reason: Reason, expected: tuple[list[int], FinishReason | None]) -> None:
    s = sequence(most=5)
    s.more([1, 2], None)
    assert said(s.end(tokens, None, reason)) == expected
    assert s.over


def test_an_end_token_told_before_an_empty_ending_is_not_told_twice() -> None:
    for reason in (Reason.END, Reason.UNTOLD):
        s = sequence()
        s.more([1, EOS], None)
        assert said(s.end([], None, reason)) == ([], FinishReason.EOS)


@pytest.mark.parametrize("ends", [ENDS, Ends()])
def test_an_answer_cut_short_is_no_answer(ends: Ends) -> None:
    s = sequence(most=5, ends=ends, ignore_eos=True)
    s.more([1, EOS], None)
    chunk = s.end([], None, Reason.UNTOLD)
    assert isinstance(chunk.error, GenerationFailed)
    assert "after 2 of 5 tokens" in str(chunk.error)


def test_a_sequence_that_the_engine_lost_is_an_error() -> None:
    assert isinstance(sequence().end([1], None, Reason.LOST).error, GenerationFailed)


def test_logprobs_are_the_tail_of_a_growing_list() -> None:
    s = sequence(logprobs=True)
    assert s.more([1], [-0.1]).logprobs == [-0.1]  # type: ignore[union-attr]
    assert s.more([2, 3], [-0.1, -0.2, -0.3]).logprobs == [-0.2, -0.3]  # type: ignore[union-attr]
    chunk = s.end([4], [-0.1, -0.2, -0.3, -0.4], Reason.LENGTH)
    assert chunk.logprobs == [-0.4]


def test_the_end_token_that_was_left_out_has_a_logprob_only_if_it_is_told() -> None:
    s = sequence(logprobs=True)
    s.more([1], [-0.1])
    assert s.end([], [-0.1], Reason.END).logprobs == [NO_LOGPROB]
    s = sequence(logprobs=True)
    s.more([1], [-0.1])
    assert s.end([2], [-0.1, -0.2, -0.5], Reason.END).logprobs is not None


@pytest.mark.parametrize("told", [None, [], [-0.5], [-math.inf, math.nan]])
def test_there_is_one_finite_logprob_a_token(told: list[float] | None) -> None:
    chunk = sequence(logprobs=True).more([1, 2], told)
    assert chunk is not None
    assert chunk.logprobs is not None
    assert len(chunk.logprobs) == 2
    assert chunk.logprobs[0] == NO_LOGPROB
    assert all(math.isfinite(value) for value in chunk.logprobs)


def test_no_logprobs_unless_asked() -> None:
    assert sequence().more([1], [-0.1]).logprobs is None  # type: ignore[union-attr]


def test_other_end_tokens_wait_for_the_least_length() -> None:
    s = sequence(min_new_tokens=3, logprobs=True)
    assert s.watched == (EOT,)
    assert said(s.more([1, EOT], [-1.0, -2.0])) == ([1, EOT], None)
    assert said(s.more([2], [-1.0, -2.0, -3.0])) == ([2], None)
    chunk = s.more([EOT, 9], [-1.0, -2.0, -3.0, -4.0, -5.0])
    assert said(chunk) == ([EOT], FinishReason.EOS)
    assert chunk is not None
    assert chunk.logprobs == [-4.0]
    assert s.over


def test_other_end_tokens_in_the_last_answer_wait_too() -> None:
    s = sequence(min_new_tokens=2)
    assert said(s.end([EOT, 1, EOT, 2], None, Reason.LENGTH)) == ([EOT, 1, EOT], FinishReason.EOS)
    s = sequence(min_new_tokens=2)
    assert said(s.end([1, 2], None, Reason.LENGTH)) == ([1, 2], FinishReason.LENGTH)


def test_beams_end_at_their_first_end_token() -> None:
    s = sequence(num_beams=2, most=6)
    assert said(s.end([1, 2, EOS, EOS, EOS], None, Reason.UNTOLD)) == ([1, 2, EOS], FinishReason.EOS)
    s = sequence(num_beams=2, most=3)
    assert said(s.end([1, 2, 3], None, Reason.UNTOLD)) == ([1, 2, 3], FinishReason.LENGTH)


def test_cancelled() -> None:
    s = sequence()
    assert s.cancelled().finish is FinishReason.CANCELLED
    assert s.over


def test_alternatives_go_with_their_tokens() -> None:
    def tops(*ids: int) -> list[list[tuple[int, float]]]:
        return [[(token, -0.5), (token + 1, -1.0)] for token in ids]

    s = sequence(top_logprobs=2, min_new_tokens=1)
    chunk = s.more([1, 2], None, tops(1, 2))
    assert chunk is not None
    assert chunk.tops == tops(1, 2)
    # The second end token is watched for here: what comes after it goes, its alternatives too.
    cut = s.more([3, EOT, 5], None, tops(3, EOT, 5))
    assert cut is not None
    assert (list(cut.tokens), cut.tops) == ([3, EOT], tops(3, EOT))


def test_alternatives_that_are_not_told() -> None:
    s = sequence(top_logprobs=2)
    chunk = s.more([1, 2], None, None)
    assert chunk is not None
    assert chunk.tops == [(), ()]
    # The end token that the library leaves out has none either.
    last = s.end([3], None, Reason.END, [[(3, -0.5)]])
    assert (list(last.tokens), last.tops) == ([3, EOS], [[(3, -0.5)], ()])


def test_alternatives_only_where_they_are_asked_for() -> None:
    chunk = sequence().more([1], None, [[(1, -0.5)]])
    assert chunk is not None
    assert chunk.tops is None
