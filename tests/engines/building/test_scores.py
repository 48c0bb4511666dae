"""Agreement and perplexity, from logits."""

from __future__ import annotations

import math

import numpy as np
import pytest

from djl_trtllm.compile.quality import Quality
from djl_trtllm.engines.building.scores import Scores, agreement, compare, score

IDS = [3, 1, 2]


def logits(*likeliest: int) -> np.ndarray:
    """Rows of logits over five tokens in which one has probability 1/2 and the others 1/8 each."""
    rows = np.full((len(likeliest), 5), math.log(1 / 8), dtype=np.float32)
    rows[range(len(likeliest)), likeliest] = math.log(1 / 2)
    return rows + 7.0


def test_a_text_is_scored_after_each_of_its_tokens() -> None:
    found = score(IDS, logits(1, 4, 0))
    assert found.likeliest == [1, 4, 0]
    assert found.log_probs == pytest.approx([math.log(1 / 2), math.log(1 / 8)], rel=1e-6)


def test_a_model_agrees_with_itself() -> None:
    one = score(IDS, logits(1, 2, 0))
    found = compare([one], [one])
    assert found == Quality(1.0, 2.0, 2.0, 3, found.prompts)
    assert len(found.prompts) == 16


def test_positions_count_alike_over_all_texts() -> None:
    reference = [score(IDS, logits(1, 2, 0)), score([1, 2], logits(2, 2))]
    candidate = [score(IDS, logits(1, 4, 0)), score([1, 2], logits(0, 0))]
    found = compare(reference, candidate)
    assert (found.agreement, found.tokens) == (0.4, 5)
    assert found.perplexity == pytest.approx((2 * 8 * 8) ** (1 / 3), rel=1e-5)
    assert found.reference_perplexity == pytest.approx(2.0)
    assert found.prompts != compare(reference[:1], candidate[:1]).prompts


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_never_agree(bad: float) -> None:
    broken = logits(1, 2, 0)
    broken[1, 3] = bad
    found = score(IDS, broken)
    assert found.likeliest == [1, None, 0]
    assert found.log_probs[1] is None
    whole = score(IDS, logits(1, 2, 0))
    quality = compare([whole], [found])
    assert quality.agreement == pytest.approx(2 / 3, abs=1e-6)
    assert (quality.perplexity, quality.reference_perplexity) == (None, 2.0)
    assert quality.note == "the quantised model gives numbers that are not finite"
    assert compare([found], [found]).agreement == pytest.approx(2 / 3, abs=1e-6)
    assert "the unquantised model" in compare([found], [whole]).note


def test_the_log_probs_of_huge_logits_are_exact() -> None:
    found = score([0, 1], np.array([[1e4, 1e4 - 1], [0, 0]], dtype=np.float32))
    assert found.log_probs == pytest.approx([-1 - math.log1p(math.exp(-1))])


def test_a_perplexity_beyond_numbers_is_none() -> None:
    far = Scores(IDS, [0, 0, 0], [-1e6, -1e6])
    assert compare([far], [far]).perplexity is None


def test_unknown_tokens_do_not_agree() -> None:
    assert agreement([(1, 1), (None, None), (2, None), (None, 2)]) == 0.25
