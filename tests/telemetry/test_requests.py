"""The request log: sizes and times, in few lines."""

import json
import logging

import pytest
from msgspec.structs import replace

from djl_trtllm.options.secrets import Redaction
from djl_trtllm.telemetry import requests
from djl_trtllm.telemetry.lines import JsonLines
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
def test_a_line_for_each_that_ended_in_a_step_and_one_record_for_all(enabled, caplog):
    with caplog.at_level(logging.INFO, "djl_trtllm"):
        log = RequestLog(enabled)
        log.ended([ENDED, ENDED])
        log.pass_on(idle=False)
        log.ended([])
        log.pass_on(idle=True)
    assert log.count == 2
    assert caplog.messages == ([f"{LINE}\n{LINE}"] if enabled else [])
    assert log.waiting == []


def test_odd_byte_runs_are_told(caplog):
    with caplog.at_level(logging.INFO, "djl_trtllm"):
        log = RequestLog(True)
        log.ended([replace(ENDED, recoveries=2)])
        log.pass_on(idle=True)
    assert caplog.messages[0].endswith("total 1.500 s decoding recovered 2 times")


def test_under_load_there_is_a_record_a_second(caplog, clock):
    with caplog.at_level(logging.INFO, "djl_trtllm"):
        log = RequestLog(True)
        for _ in range(4):
            log.ended([ENDED])
            log.pass_on(idle=False)
            clock.now += 0.4
    assert caplog.messages == [LINE, f"{LINE}\n{LINE}\n{LINE}"]


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


def test_djls_id_stands_beside_ours(caplog):
    with caplog.at_level(logging.INFO, "djl_trtllm"):
        log = RequestLog(True)
        log.ended([replace(ENDED, origin=("0c9d-1", ""))])
        log.pass_on(idle=True)
    assert caplog.messages == [LINE.replace("request 7 ", "request 7 (0c9d-1) ")]


def test_as_json_a_request_is_an_object_with_its_numbers_at_the_time_when_it_ended():
    lines = JsonLines(Redaction())
    given = replace(ENDED, origin=("0c9d-1", f"00-{'a' * 32}-{'b' * 16}-01"), ended=98.5)
    record = logging.makeLogRecord(
        {"name": "n", "levelname": "INFO", "msg": requests.Ended([given, ENDED], 100.0), "created": 3661.25}
    )
    first, second = map(json.loads, lines.format(record).splitlines())
    assert first == {
        "time": "1970-01-01T01:00:59.750Z",
        "level": "INFO",
        "logger": "n",
        "message": "request ended",
        "fields": {
            "request": 7,
            "reason": "length",
            "status": 200,
            "prompt_tokens": 5,
            "generated_tokens": 12,
            "first_reply_seconds": 0.25,
            "total_seconds": 1.5,
            "queue_seconds": 0.0,
            "request_id": "0c9d-1",
            "trace_id": "a" * 32,
        },
    }
    assert second["fields"].keys() == first["fields"].keys() - {"request_id", "trace_id"}


def test_ids_are_read_only_where_something_shows_them(caplog):
    headers = {"requestId": "0c9d-1"}
    with caplog.at_level(logging.INFO, "djl_trtllm"):
        assert RequestLog(True).origin(headers) == ("0c9d-1", "")
        assert RequestLog(False).origin(headers) == ("", "")


def test_ids_that_could_pass_for_something_else_are_escaped(caplog):
    with caplog.at_level(logging.INFO, "djl_trtllm"):
        log = RequestLog(True)
        log.ended([replace(ENDED, origin=("a b\n", "")), replace(ENDED, origin=("x" * 200, ""))])
        log.pass_on(idle=True)
    first, second = caplog.messages[0].splitlines()
    assert first == LINE.replace("request 7 ", r"request 7 (a\x20b\x0a) ")
    assert f"({'x' * 128})" in second
