"""Where a request comes from, as its headers tell, and that no header can forge a line of the log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from djl_trtllm.telemetry import origin

PARENT = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, ""),
        ({"requestId": "djl"}, "djl"),
        ({"requestId": "djl", "x-request-id": "client"}, "djl"),
        ({"x-request-id": "client"}, "client"),
        ({"Content-Type": "a", "X-Request-Id": "Root=1-6789"}, "Root=1-6789"),
        ({"x-request-id": ""}, ""),
        ({"requestId": "x" * 500}, "x" * 128),
        ({"x-request-id": "x" * 500}, "x" * 128),
    ],
)
def test_djls_id_or_the_clients(headers, found):
    assert origin.identified(headers) == origin.traced(headers) == (found, "")


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("a\nINFO djl_trtllm request 1 x", "a\\x0aINFO\\x20djl_trtllm\\x20request\\x201\\x20x"),
        ("[METRICS]a.Count:1", "\\x5bMETRICS\\x5da.Count\\x3a1"),
        ("ModelServerTelemetry:", "ModelServerTelemetry\\x3a"),
        ("\x1b[31m", "\\x1b\\x5b31m"),
        ("\u202e\U0001f600\ud800", "\\u202e\\U0001f600\\ud800"),
        ("x" * 500, "x" * 128),
        ("\n" * 500, "\\x0a" * 32),
    ],
)
def test_what_could_pass_for_something_else_is_escaped(sent, shown):
    assert origin.legible(sent) == shown
    assert origin.all_legible(["plain", sent[: origin.MOST]]) == ["plain", shown]


@given(st.text(max_size=300))
def test_an_id_is_one_short_word(sent):
    (shown,) = origin.all_legible([origin.identified({"requestId": sent})[0]])
    assert shown == origin.legible(sent)
    assert len(shown) <= origin.MOST
    assert shown.isascii()
    assert shown.isprintable()
    assert not set(shown) & set(" \"':;[](){}<>,")


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (PARENT, PARENT),
        (f" {PARENT} ", PARENT),
        (f"01{PARENT[2:]}-more", f"01{PARENT[2:]}-more"),
        (PARENT.upper(), ""),
        ("00-xyz", ""),
        (f"{PARENT}\n", PARENT),
        ("a" * 10_000, ""),
    ],
)
def test_the_trace_a_request_is_part_of(sent, found):
    assert origin.traced({"Traceparent": sent, "requestId": "7"}) == ("7", found)
    assert origin.identified({"traceparent": sent}) == ("", "")
    assert origin.unread({"traceparent": sent}) == ("", "")
