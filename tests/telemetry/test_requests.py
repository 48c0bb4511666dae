"""The request log: sizes and times, one line a step."""

import logging
from dataclasses import replace

import pytest

from djl_trtllm.telemetry.requests import RequestLog, RequestSummary

ENDED = RequestSummary(7, "length", 200, 5, 12, 0.25, 1.5)


@pytest.mark.parametrize("enabled", [True, False])
def test_one_line_for_all_that_ended_in_a_step(enabled, caplog):
    with caplog.at_level(logging.INFO, "djl_trtllm"):
        log = RequestLog(enabled)
        log.ended([ENDED, ENDED])
        log.ended([])
    assert log.count == 2
    line = "request 7 length status 200 5+12 tokens first reply 0.250 s total 1.500 s"
    assert caplog.messages == ([f"ended: {line}; {line}"] if enabled else [])


def test_odd_byte_runs_are_told(caplog):
    with caplog.at_level(logging.INFO, "djl_trtllm"):
        RequestLog(True).ended([replace(ENDED, recoveries=2)])
    assert caplog.messages[0].endswith("total 1.500 s decoding recovered 2 times")
