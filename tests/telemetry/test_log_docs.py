"""The lines in docs/operations.md are those that are written."""

from __future__ import annotations

import calendar
import logging
from pathlib import Path

from djl_trtllm.options.secrets import Redaction
from djl_trtllm.telemetry.lines import JsonLines, TextLines
from djl_trtllm.telemetry.requests import Ended, RequestSummary

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "operations.md").read_text()
ENDED = RequestSummary(
    7,
    "length",
    200,
    35,
    128,
    0.094,
    2.211,
    origin=("0c9d4c58-7a8b-4b7f-9a4e-000000000062", ""),
    queue_seconds=0.002,
    ended=5.0,
)
AT = calendar.timegm((2026, 11, 28, 11, 15, 41)) + 0.9805


def test_the_lines_of_a_request() -> None:
    values = {"name": "djl_trtllm.telemetry.requests", "levelname": "INFO", "created": AT}
    record = logging.makeLogRecord({**values, "msg": Ended([ENDED], 5.0)})
    assert TextLines(Redaction()).format(record) in PAGE.splitlines()
    assert JsonLines(Redaction()).format(record) in PAGE.splitlines()
