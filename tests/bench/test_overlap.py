"""Which pairs of a side-by-side run are kept."""

from bench import overlap


def test_a_pair_in_which_the_bare_loop_was_disturbed_is_measured_again_and_left_out() -> None:
    again = iter([(0.5, 9.9)])
    kept = overlap.quiet([(9.0, 10.0), (2.0, 5.0), (8.0, 9.8)], lambda: next(again))
    assert kept == [(9.0, 10.0), (0.5, 9.9), (8.0, 9.8)]


def test_what_was_measured_again_and_is_disturbed_too_counts_when_nothing_is_better() -> None:
    again = iter([(1.0, 4.0)])
    assert overlap.quiet([(9.0, 10.0), (2.0, 5.0)], lambda: next(again)) == [(9.0, 10.0), (2.0, 5.0)]


def test_our_own_side_does_not_decide_what_is_kept() -> None:
    pairs = [(1.0, 10.0), (99.0, 10.0)]
    assert overlap.quiet(pairs, lambda: (0.0, 0.0)) == pairs
