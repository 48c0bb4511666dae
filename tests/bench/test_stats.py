import json
import random
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, floats, lists

from bench import stats
from bench.stats import Bar, Figure


@pytest.mark.parametrize(
    ("count", "cut"),
    [(1, 0), (5, 0), (6, 0), (8, 0), (9, 1), (11, 1), (12, 2), (15, 3), (20, 5), (25, 7)],
)
def test_the_interval_is_the_table_of_order_statistics_for_a_median(count: int, cut: int) -> None:
    values = [float(value) for value in range(count)]
    random.Random(count).shuffle(values)
    assert stats.interval(values) == (cut, count - 1 - cut)


def test_the_interval_holds_the_true_median_about_as_often_as_it_says() -> None:
    source = random.Random(7)
    held = 0
    for _ in range(2000):
        low, high = stats.interval([source.gauss(1.0, 0.1) for _ in range(9)])
        held += low <= 1.0 <= high
    assert 0.945 <= held / 2000 <= 0.98


@pytest.mark.parametrize(
    ("median", "spread", "expected"),
    [
        (0.15, (0.14, 0.16), "pass"),
        (0.20, (0.19, 0.25), "pass"),
        (0.204, (0.19, 0.25), "pass"),
        (0.205, (0.19, 0.25), "undecided"),
        (0.203, (0.201, 0.25), "short"),
        (0.30, (0.21, 0.40), "short"),
    ],
)
def test_a_bar_from_above(median: float, spread: tuple[float, float], expected: str) -> None:
    assert stats.verdict(median, spread, Bar(0.2), 9) == expected


@pytest.mark.parametrize(
    ("median", "spread", "expected"),
    [
        (0.99, (0.97, 1.01), "pass"),
        (0.935, (0.90, 0.96), "pass"),
        (0.93, (0.90, 0.96), "undecided"),
        (0.94, (0.93, 0.949), "short"),
    ],
)
def test_a_bar_from_below(median: float, spread: tuple[float, float], expected: str) -> None:
    assert stats.verdict(median, spread, Bar(0.95, at_least=True), 9) == expected


def test_too_few_pairs_decide_nothing() -> None:
    assert stats.verdict(0.01, (0.01, 0.01), Bar(0.2), 8) == "undecided"
    assert stats.verdict(9.0, (9.0, 9.0), Bar(0.2), 8) == "undecided"


def test_pairs_alternate_and_the_side_that_begins_changes() -> None:
    order: list[str] = []

    def side(name: str, value: float) -> float:
        order.append(name)
        return value

    pairs = stats.alternate(lambda: side("a", 1.0), lambda: side("b", 2.0), 3)
    assert pairs == [(1.0, 2.0)] * 3
    assert "".join(order) == "abbaab"


def test_a_ratio_is_judged_pair_by_pair_so_a_slow_minute_does_not_matter() -> None:
    pairs = [(1.0 * slow, 10.0 * slow) for slow in (1, 1, 5, 1, 2, 1, 9, 1, 1)]
    figure = stats.ratio("cost", pairs, Bar(0.2), "of upstream")
    assert figure == Figure("cost", 0.1, (0.1, 0.1), "of upstream", "<= 0.2", "pass")
    assert "bar <= 0.2   pass" in str(figure)


def test_an_absolute_figure_is_judged_by_its_median() -> None:
    figure = stats.absolute("start", [0.2, 0.1, 0.9, 0.2, 0.2, 0.3, 0.2, 0.2, 0.2], Bar(0.3), "s")
    assert figure == Figure("start", 0.2, (0.2, 0.3), "s", "<= 0.3", "pass")
    assert stats.absolute("start", [0.4] * 9, Bar(0.3), "s").verdict == "short"
    assert stats.absolute("start", [0.2] * 8, Bar(0.3), "s").verdict == "undecided"


def test_a_plain_figure_has_no_verdict() -> None:
    figure = stats.plain("read", [3.0, 1.0, 2.0], "µs")
    assert (figure.value, figure.bar, figure.verdict) == (statistics.median([1, 2, 3]), None, None)
    assert "bar" not in str(figure)


def test_a_calibrated_figure_is_judged_in_loops_and_shown_in_milliseconds() -> None:
    slow = [(10.0, 2.0), *[(5.0, 1.0)] * 8]  # the machine was busy for a moment, and the loop felt it too
    judged, beside = stats.calibrated("lookup", slow, Bar(5.0))
    assert judged == Figure("lookup", 5.0, (5.0, 5.0), "calibration loops", "<= 5", "pass")
    assert (beside.id, beside.value, beside.unit, beside.bar) == ("lookup/plain", 5.0, "ms", None)


def test_a_percentile_is_one_of_the_values() -> None:
    values = [float(value) for value in range(100, 0, -1)]
    assert [stats.percentile(values, percent) for percent in (50, 95, 99, 100)] == [50, 95, 99, 100]
    assert stats.percentile([3.0], 50) == stats.percentile([3.0], 99) == 3.0


positive = floats(0.01, 100.0)


@given(bar=positive, at_least=booleans(), ratios=lists(positive, min_size=9, max_size=40))
def test_a_verdict_is_what_the_rule_says(bar: float, at_least: bool, ratios: list[float]) -> None:
    figure = stats.ratio("x", [(ratio, 1.0) for ratio in ratios], Bar(bar, at_least), "")
    low, high = figure.spread
    assert low <= figure.value <= high
    assert min(ratios) <= low <= high <= max(ratios)
    better, worse = (high, low) if at_least else (low, high)
    sign = 1 if at_least else -1
    if figure.verdict == "pass":
        assert sign * (better - bar) >= 0
        assert sign * (figure.value - bar) >= -0.02 * bar * (1 + 1e-9)
    elif figure.verdict == "short":
        assert all(sign * (end - bar) < 0 for end in (better, worse))
    else:
        assert sign * (better - bar) >= 0
        assert sign * (figure.value - bar) < 0


@given(
    bar=positive,
    at_least=booleans(),
    ratios=lists(positive, min_size=9, max_size=40),
    worse=floats(1.0, 10.0),
)
def test_a_worse_run_never_has_a_better_verdict(
    bar: float, at_least: bool, ratios: list[float], worse: float
) -> None:
    order = ["short", "undecided", "pass"]
    factor = 1 / worse if at_least else worse
    good, bad = (
        stats.ratio("x", [(ratio * by, 1.0) for ratio in ratios], Bar(bar, at_least), "")
        for by in (1.0, factor)
    )
    assert order.index(str(bad.verdict)) <= order.index(str(good.verdict))


@given(bar=positive, at_least=booleans(), ratios=lists(positive, min_size=1, max_size=8))
def test_few_pairs_never_decide(bar: float, at_least: bool, ratios: list[float]) -> None:
    figure = stats.ratio("x", [(ratio, 1.0) for ratio in ratios], Bar(bar, at_least), "")
    assert figure.verdict == "undecided"


@given(value=positive, bar=positive, at_least=booleans())
def test_a_bar_reads_back_and_is_reached_once_where_it_is_met(
    value: float, bar: float, at_least: bool
) -> None:
    read = Bar.parse(str(Bar(bar, at_least)))
    assert read.at_least == at_least
    assert read.value == pytest.approx(bar, rel=1e-5)
    made = Bar(bar, at_least)
    assert made.reached(bar) == pytest.approx(1.0)
    assert (made.reached(value) >= 1.0) == (value >= bar if at_least else value <= bar)


def test_recording_replaces_a_part_and_keeps_the_others(tmp_path: Path) -> None:
    results, context = tmp_path / "b" / "results.json", tmp_path / "b" / "context.json"
    old = [
        Figure("a/one", 1.0, (1.0, 1.0), "x", "<= 2", "pass"),
        Figure("a/gone", 1.0, (1.0, 1.0), "x", "<= 2", "pass"),
        Figure("b", 1.0, (1.0, 1.0), "x", "<= 2", "pass"),
        stats.plain("b/plain", [1.0], "µs"),
    ]
    stats.record(old, results, context)
    stats.record([Figure("a/one", 3.0, (3.0, 3.0), "x", "<= 2", "short")], results, context)
    entries = {entry["id"]: entry for entry in json.loads(results.read_text())}
    assert set(entries) == {"a/one", "b"}
    assert entries["a/one"] == {
        "id": "a/one", "value": 3.0, "spread": [3.0, 3.0], "unit": "x", "bar": "<= 2", "verdict": "short",
    }  # fmt: skip
    assert [entry["id"] for entry in json.loads(context.read_text())] == ["b/plain"]
    assert stats.load(results)[-1] == Figure("a/one", 3.0, (3.0, 3.0), "x", "<= 2", "short")
