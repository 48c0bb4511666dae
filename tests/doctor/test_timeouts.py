from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.doctor import timeouts
from tests.support import examined


def said(directory: Path, lines: str) -> list[tuple[str, str]]:
    examined.write(directory, f"{examined.RIGHT}{lines}")
    return examined.said(timeouts.examine(examined.subject(directory)))


@pytest.mark.parametrize(
    "lines",
    [
        "",
        "option.predict_timeout=71\n",
        "option.stall_timeout=5\noption.predict_timeout=16\n",
        "chunked_read_timeout=61\n",
    ],
)
def test_timeouts_in_their_order_are_well(lines: str, tmp_path: Path) -> None:
    ((gravity, text),) = said(tmp_path / "model", lines)
    assert gravity == "ok"
    assert "is opened again" in text


@pytest.mark.parametrize(
    ("lines", "told", "fix"),
    [
        (
            "option.stall_timeout=0\n",
            "stall_timeout=0: an engine that hangs keeps its requests",
            "stall_timeout=60.",
        ),
        (
            "option.predict_timeout=70\n",
            "ended after 70 s, and DJL-Serving ends it after predict_timeout=70",
            "70, or",
        ),
        ("option.stall_timeout=300\n", "would be ended after 310 s", "more than 310"),
        (
            "chunked_read_timeout=60\n",
            "chunked_read_timeout=60 is not more than stall_timeout=60",
            "more than 60",
        ),
    ],
)
def test_what_would_end_first_is_said(lines: str, told: str, fix: str, tmp_path: Path) -> None:
    ((_, text),) = [one for one in said(tmp_path / "model", lines) if one[0] == "note"]
    assert told in text
    assert fix in text
