"""Histograms that count many values at once."""

import random
from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.telemetry.histogram import Histogram

BOUNDS = (0.1, 0.5, 1.0, 10.0)
VALUES = st.lists(st.one_of(st.sampled_from(BOUNDS), st.floats(0, 20)), max_size=50)


def counted(values: list[float]) -> list[int]:
    """What one after the other would count; a value that equals a bound is not above it."""
    counts = [0] * (len(BOUNDS) + 1)
    for value in values:
        counts[bisect_left(BOUNDS, value)] += 1
    return counts


@given(VALUES, VALUES)
def test_many_values_count_as_one_after_the_other(first: list[float], second: list[float]) -> None:
    histogram = Histogram(BOUNDS)
    histogram.observe(first)
    histogram.observe(iter(second))
    assert histogram.counts == counted(first + second)
    assert histogram.count == len(first + second)
    assert histogram.sum == pytest.approx(sum(first + second))


def test_a_weight_is_how_often_a_value_was_seen() -> None:
    dice = random.Random(1)
    values = [dice.uniform(0, 20) for _ in range(100)]
    weights = [dice.randint(1, 9) for _ in values]
    histogram, plain = Histogram(BOUNDS), Histogram(BOUNDS)
    histogram.observe_weighted(values, weights)
    plain.observe([v for v, w in zip(values, weights, strict=True) for _ in range(w)])
    assert histogram.counts == plain.counts
    assert histogram.sum == pytest.approx(plain.sum)
