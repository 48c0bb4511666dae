"""The cheap scenarios run, in the smallest counts, and nothing is short."""

from __future__ import annotations

import pytest

from chaos import catalog
from chaos.scale import Scale

CHEAP = (
    "r01_poison",
    "r02_engine_death",
    "r05_fuzzed_bodies",
    "r07_detokenizing",
    "r08_stop_strings",
    "r10_cancel_storm",
    "r16_disk_faults",
    "r19_soak",
    "r21_hang",
)


@pytest.mark.parametrize("module", CHEAP)
def test_it_runs_and_nothing_is_short(module: str) -> None:
    figures = catalog.named(module).run(Scale.SMALLEST)
    assert figures
    assert [(figure.id, figure.value) for figure in figures if figure.verdict != "pass"] == []
