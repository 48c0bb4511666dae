import logging
import re
import time

import pytest

from djl_trtllm.compile.progress import Allowed, LogProgress


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def wait_for_lines(caplog: pytest.LogCaptureFixture, count: int) -> None:
    deadline = time.monotonic() + 20
    while len(lines(caplog)) < count and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(lines(caplog)) >= count


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
        progress.stage("converting", 12.0)
        wait_for_lines(caplog, 3)
    assert all("converting 12 %" in line for line in lines(caplog))
    said = len(lines(caplog))
    time.sleep(0.3)
    assert len(lines(caplog)) == said


def test_without_a_word_of_ours_thirty_seconds_never_pass() -> None:
    progress = LogProgress("compiling", logging.getLogger("x"))
    assert progress._interval * 1.1 < 30, (
        "the interval, and the tenth of it that may pass before it is looked at"
    )


def test_the_time_allowed_is_in_every_line_and_running_out_of_it_is_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    allowed = Allowed(0.5, "option.model_loading_timeout", "Compile before.")
    with LogProgress("loading", logging.getLogger("x"), interval=0.2, allowed=allowed) as progress:
        progress.stage("converting")
        assert re.fullmatch(r"loading: converting, \d of 0\.5 s", lines(caplog)[0])
        deadline = time.monotonic() + 20
        while progress.elapsed() < 1.5 and time.monotonic() < deadline:
            time.sleep(0.05)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert "of the 0.5 s that option.model_loading_timeout gives it. Compile before." in warnings[0]


def test_a_load_in_time_is_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    allowed = Allowed(1000.0, "option.model_loading_timeout", "Compile before.")
    with LogProgress("loading", logging.getLogger("x"), interval=0.05, allowed=allowed) as progress:
        progress.stage("converting")
        time.sleep(0.2)
    assert not [record for record in caplog.records if record.levelno == logging.WARNING]
