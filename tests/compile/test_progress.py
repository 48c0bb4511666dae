import logging
import time

import pytest

from djl_trtllm.compile.progress import LogProgress


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_stages_and_tenths_are_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with LogProgress("compiling", logging.getLogger("x")) as progress:
        progress.stage("reading")
        for percent in range(31):
            progress.stage("calibrating", percent)
        progress.stage("calibrating")
    assert lines(caplog) == [
        "compiling: reading, 0 s",
        "compiling: calibrating 0 %, 0 s",
        "compiling: calibrating 10 %, 0 s",
        "compiling: calibrating 20 %, 0 s",
        "compiling: calibrating 30 %, 0 s",
    ]


def test_it_says_that_it_lives_while_nothing_happens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with LogProgress("compiling", logging.getLogger("x"), interval=0.1) as progress:
        progress.stage("converting")
        deadline = time.monotonic() + 5
        while len(lines(caplog)) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
    assert len(lines(caplog)) >= 3
    said = len(lines(caplog))
    time.sleep(0.3)
    assert len(lines(caplog)) == said
