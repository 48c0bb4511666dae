"""The request log: sizes and times, in few lines."""

import logging
from dataclasses import replace

import pytest

from djl_trtllm.telemetry import requests
from djl_trtllm.telemetry.requests import RequestLog, RequestSummary

ENDED = RequestSummary(7, "length", 200, 5, 12, 0.25, 1.5)
LINE = "request 7 length status 200 5+12 tokens first reply 0.250 s total 1.500 s"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(requests, "time", made)
    return made


@pytest.mark.parametrize("enabled", [True, False])
def test_one_line_for_all_that_ended_in_a_step(enabled, caplog):
    with caplog.at_level(logging.INFO, "djl_trtllm"):
        log = RequestLog(enabled)
        log.ended([ENDED, ENDED])
        log.pass_on(idle=False)
        log.ended([])
        log.pass_on(idle=True)
    assert log.count == 2
    assert caplog.messages == ([f"ended: {LINE}; {LINE}"] if enabled else [])
    assert log.waiting == []


def test_odd_byte_runs_are_told(caplog):
    with caplog.at_level(logging.INFO, "djl_trtllm"):
        log = RequestLog(True)
        log.ended([replace(ENDED, recoveries=2)])
        log.pass_on(idle=True)
    assert caplog.messages[0].endswith("total 1.500 s decoding recovered 2 times")


def test_under_load_there_is_a_line_a_second(caplog, clock):
    with caplog.at_level(logging.INFO, "djl_trtllm"):
        log = RequestLog(True)
        for _ in range(4):
            log.ended([ENDED])
            log.pass_on(idle=False)
            clock.now += 0.4
    assert caplog.messages == [f"ended: {LINE}", f"ended: {LINE}; {LINE}; {LINE}"]


def test_what_waits_is_written_when_nothing_runs_any_more_or_it_is_much(caplog, clock):
    with caplog.at_level(logging.INFO, "djl_trtllm"):
        log = RequestLog(True)
        log.ended([ENDED])
        log.pass_on(idle=False)
        log.ended([ENDED])
        log.pass_on(idle=True)
        log.ended([ENDED] * requests.MOST)
        log.pass_on(idle=False)
    assert [message.count("request 7") for message in caplog.messages] == [1, 1, requests.MOST]
