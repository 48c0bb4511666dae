"""A comparison that fails is told in the place of its figures; a team's failure is not."""

from __future__ import annotations

import logging

import pytest

from djl_trtllm.compile.quality import Quality
from djl_trtllm.engines.building.measured import quality_of, without_directories
from djl_trtllm.errors import CompileError, OutOfMemory, RankError, UnsupportedModel
from djl_trtllm.options.table import Options

OPTIONS = Options(quantize="int8", quality_floor=0.7)


def test_figures_get_the_floor_of_their_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    found = quality_of(lambda: Quality(0.9, 12.0, 11.0, 5, "abc").content(), OPTIONS)
    assert found == Quality(0.9, 12.0, 11.0, 5, "abc", 0.7)
    assert "quantize=int8: next-token agreement 0.9 over 5 tokens, perplexity 12 against 11" in caplog.text


@pytest.mark.parametrize("error", [CompileError, OutOfMemory, UnsupportedModel, OSError])
def test_a_failure_is_a_note_and_a_warning(error: type[Exception], caplog: pytest.LogCaptureFixture) -> None:
    def fails() -> dict[str, object]:
        raise error("cannot read /data/models/x.bin")

    assert quality_of(fails, OPTIONS) == Quality(floor=0.7, note="cannot read x.bin")
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_what_is_the_teams_is_raised() -> None:
    def fails() -> dict[str, object]:
        raise RankError("Rank 1 is gone.")

    with pytest.raises(RankError):
        quality_of(fails, OPTIONS)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "at src/inference/core.cpp:84: '/a/b c' \"/tmp/x-1/y.xml\"",
            "at src/inference/core.cpp:84: 'b c' \"y.xml\"",
        ),
        ("/one", "/one"),
        ("1/2 of /a/b/c:3", "1/2 of c:3"),
    ],
)
def test_only_whole_paths_lose_their_directories(text: str, kept: str) -> None:
    assert without_directories(text) == kept
