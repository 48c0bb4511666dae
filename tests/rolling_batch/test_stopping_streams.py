"""Streams that stop, over every kind of tokenizer, against an oracle that sees the whole text at once."""

from __future__ import annotations

import pytest

from tests.rolling_batch.stop_checks import mismatches, mismatches_at_offsets

DEFAULT, LONG = 2_000, 34_000
"""Cases, each of them cut in three ways."""


def test_a_stop_string_is_met_at_every_offset() -> None:
    assert mismatches_at_offsets(DEFAULT, seed=7) == 0


def test_any_cut_gives_the_text_up_to_the_stop() -> None:
    assert mismatches(DEFAULT, seed=5) == 0


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_any_cut_gives_the_text_up_to_the_stop_at_length() -> None:
    assert mismatches(LONG, seed=6) == 0
