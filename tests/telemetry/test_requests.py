"""The request log: sizes and times, in few lines."""

import json
import logging

import pytest
from msgspec.structs import replace

from djl_trtllm.options.secrets import Redaction
from djl_trtllm.telemetry import requests
from djl_trtllm.telemetry.lines import JsonLines, TextLines
from djl_trtllm.telemetry.requests import RequestLog, RequestSummary

ENDED = RequestSummary(7, "length", 200, 5, 12, 0.25, 1.5)
SIZES = {
    "request": 7,
    "reason": "length",
    "status": 200,
    "prompt_tokens": 5,
    "generated_tokens": 12,
    "first_reply_ms": 250,
    "total_ms": 1500,
}


def sizes(lines: str) -> list[dict[str, object]]:
    """What the lines of a record say."""
    said = [line.partition("request ended ") for line in lines.split("\n")]
    assert not any(before for before, _, _ in said)
    return [json.loads(fields) for _, _, fields in said]


@pytest.mark.parametrize("enabled", [True, False])
def test_a_line_for_each_that_ended_and_one_record_for_all(enabled, caplog):
    with caplog.at_level(logging.INFO, "djl_trtllm"):
        log = RequestLog(enabled)
        log.ended([ENDED, replace(ENDED, id=8)])
        log.ended([])
        log.ended([ENDED])
        assert caplog.messages == []
        log.pass_on()
        log.pass_on()
    assert log.count == 3
    assert [sizes(one) for one in caplog.messages] == (
        [[SIZES, SIZES | {"request": 8}, SIZES]] if enabled else []
    )
    assert log.waiting == []


def test_a_line_of_text_is_a_prefix_and_an_object():
    record = logging.makeLogRecord({"levelname": "INFO", "msg": requests.Ended([ENDED, ENDED], 100.0)})
    line = f"INFO djl_trtllm request ended {json.dumps(SIZES, separators=(',', ':'))}"
    assert TextLines(Redaction()).format(record) == f"{line}\n{line}"


def test_what_there_is_not_always_is_said_where_it_is():
    odd = {"recoveries": 2, "queue_seconds": 0.0459, "code": "overloaded", "status": 503}
    found = sizes(str(requests.Ended([replace(ENDED, **odd)], 100.0)))
    assert found == [SIZES | {"status": 503, "queue_ms": 45, "code": "overloaded", "decode_recoveries": 2}]
    assert sizes(str(requests.Ended([replace(ENDED, queue_seconds=0.0009)], 100.0))) == [SIZES]


def test_what_is_much_is_written_at_once_and_in_records_of_a_bounded_size(caplog):
    with caplog.at_level(logging.INFO, "djl_trtllm"):
        log = RequestLog(True)
        log.ended([ENDED] * (requests.MOST - 1))
        assert caplog.messages == []
        log.ended([ENDED] * 2)
    assert [len(sizes(message)) for message in caplog.messages] == [requests.MOST, 1]
    assert log.waiting == []


def test_djls_id_is_there():
    assert sizes(str(requests.Ended([replace(ENDED, origin=("0c9d-1", ""))], 100.0))) == [
        SIZES | {"request_id": "0c9d-1"}
    ]


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
            "first_reply_ms": 250,
            "total_ms": 1500,
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


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("a b\n", r"a\x20b\x0a"),
        ("\n" * 128, r"\x0a" * 32),
        ('","status":500,"x":"', r"\x22\x2c\x22status\x22\x3a500\x2c\x22x\x22\x3a\x22"),
        ("[METRICS]a.Count:1", r"\x5bMETRICS\x5da.Count\x3a1"),
        ("ModelServerTelemetry: x", r"ModelServerTelemetry\x3a\x20x"),
        ("Python engine started.", r"Python\x20engine\x20started."),
        ("\u2028\ud800\U0001f600", r"\u2028\ud800\U0001f600"),
    ],
)
def test_ids_that_could_pass_for_something_else_are_escaped(sent, shown):
    lines = str(requests.Ended([ENDED, replace(ENDED, origin=(sent, ""))], 100.0))
    assert sizes(lines) == [SIZES, SIZES | {"request_id": shown}]
    assert lines.isascii()
    assert len(lines.splitlines()) == 2
