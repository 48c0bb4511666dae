"""Records as lines of text and of JSON."""

import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.options.secrets import Redaction
from djl_trtllm.telemetry.lines import JsonLines, TextLines
from djl_trtllm.telemetry.told import Told

TOKEN = "a-token-of-somebody"
SECRETS = Redaction({"HF_TOKEN": TOKEN, "HOME": "/home/somebody"})
BOTH = pytest.mark.parametrize("lines", [TextLines(SECRETS), JsonLines(SECRETS)])


def record(message: object, *arguments: object, error: BaseException | None = None) -> logging.LogRecord:
    trace = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord("djl_trtllm.x", logging.WARNING, "x.py", 1, message, arguments, trace)
    made.created = 1234567890.1239
    return made


class Block(Told):
    def lines(self):
        return ["ready", f"  model {TOKEN}"]

    def objects(self, encode):
        yield encode("ready", {"model": TOKEN})


def test_a_record_of_text_is_a_line():
    assert TextLines(SECRETS).format(record("%d of %s", 3, "4")) == "WARNING djl_trtllm 3 of 4"


def test_a_record_of_json_is_an_object():
    assert json.loads(JsonLines(SECRETS).format(record("%d of %s", 3, "4"))) == {
        "time": "2009-02-13T23:31:30.123Z",
        "level": "WARNING",
        "logger": "djl_trtllm.x",
        "message": "3 of 4",
    }
    assert json.loads(JsonLines(SECRETS, rank=2).format(record("m")))["rank"] == 2


def test_what_has_several_lines_has_the_prefix_on_each_and_is_one_object_of_json():
    block = record(Block())
    assert TextLines(SECRETS).format(block) == (
        "WARNING djl_trtllm ready\nWARNING djl_trtllm   model (hidden)"
    )
    found = json.loads(JsonLines(SECRETS).format(block))
    assert (found["message"], found["fields"]) == ("ready", {"model": "(hidden)"})


@BOTH
def test_credentials_of_the_environment_are_hidden_wherever_they_stand(lines):
    try:
        raise ValueError(f"401 for {TOKEN}") from OSError(f"https://me:pass@host/x?sig=1 {TOKEN}")
    except ValueError as error:
        told = lines.format(record("with %s of /home/somebody", TOKEN, error=error))
    assert TOKEN not in told
    assert "pass" not in told
    assert "sig" not in told
    assert told.count("(hidden)") == 5
    assert "/home/somebody" in told


def test_a_traceback_tells_places_and_texts_but_no_source():
    try:
        int("x", base=1000)
    except ValueError as error:
        cause = error
    try:
        raise RuntimeError("first\nsecond") from cause
    except RuntimeError as error:
        failed = record("it failed", error=error)
    text = TextLines(SECRETS).format(failed).splitlines()
    here = __file__
    assert [line if here not in line else "place" for line in text] == [
        "WARNING djl_trtllm it failed",
        "Traceback (most recent call last):",
        "place",
        "ValueError: int() base must be >= 2 and <= 36, or 0",
        "Traceback (most recent call last):",
        "place",
        "RuntimeError: first",
        "    second",
    ]
    assert "base=1000" not in "".join(text)
    found = json.loads(JsonLines(SECRETS).format(failed))
    assert found["message"] == "it failed"
    assert found["traceback"][-2:] == ["RuntimeError: first", "second"]


@BOTH
@pytest.mark.parametrize(
    "said",
    ["a\nINFO b", "\r", "\x1b[2J", "\u2028", "\x85", "[METRICS]a.Count:1", "ModelServerTelemetry: x", "\ud800",
     "ModelServerError: x", "Python engine started."],
)  # fmt: skip
def test_no_message_makes_a_line_of_its_own_or_one_that_djl_reads(lines, said):
    told = lines.format(record("%s", said))
    assert len(told.splitlines()) == 1
    assert told.encode().decode().isprintable()
    for sign in ("[METRICS]", "ModelServerTelemetry:", "ModelServerError:", "Python engine started."):
        assert sign not in told


@given(st.text())
def test_every_message_is_one_object_of_one_line(said):
    told = JsonLines(SECRETS).format(record("%s", said))
    assert "\n" not in told
    assert "message" in json.loads(told)


def test_a_date_is_right_after_the_second_has_changed():
    lines = JsonLines(SECRETS)
    first, second = record("a"), record("b")
    second.created += 1
    assert [json.loads(lines.format(one))["time"][-7:] for one in (first, second, first)] == [
        "30.123Z",
        "31.123Z",
        "30.123Z",
    ]
