import json

import pytest

from djl_trtllm.local import replies
from djl_trtllm.local.engine import Part


def headers(part: Part) -> dict[bytes, bytes]:
    return dict(replies.head(part, "id").headers)


def test_a_single_part_has_a_length_and_more_parts_have_none():
    assert headers(Part(b"abc", True)) == {b"x-request-id": b"id", b"content-length": b"3"}
    assert headers(Part(b"abc", False)) == {b"x-request-id": b"id"}
    assert b"content-length" not in headers(Part(b"", True, 204))


def test_status_reason_and_close():
    head = replies.head(Part(b"{}", True, 429, "Slow down", {"Retry-After": "3"}), "id")
    assert (head.status, head.reason) == (429, b"Slow down")
    assert dict(head.headers)[b"retry-after"] == b"3"
    assert dict(head.headers)[b"connection"] == b"close"
    assert replies.head(Part(b"", True, 424, "OK"), "id").reason == b""
    assert replies.head(Part(b"", True, 999, "Odd"), "id").status == 500


def test_headers_that_a_handler_cannot_set():
    found = headers(
        Part(b"abc", True, 200, "", {"Content-Length": "9", "X-Request-Id": "theirs", "X-A": "é☃"})
    )
    assert found == {b"x-a": "é?".encode("latin-1"), b"x-request-id": b"id", b"content-length": b"3"}


@pytest.mark.parametrize(
    "part", [Part(b"", True, 400, "two\nlines"), Part(b"", True, 200, "", {"X-A": "two\rlines"})]
)
def test_line_breaks_are_an_error(part):
    with pytest.raises(ValueError, match="line break"):
        replies.head(part, "id")


@pytest.mark.parametrize("name", ["X-A\r\nX-B", "X A", "X:A", "", "X-\u00e9"])
def test_names_that_are_none_are_an_error(name):
    with pytest.raises(ValueError, match="a header's name that is none"):
        replies.head(Part(b"", True, 200, "", {name: "x"}), "id")


def test_an_error_of_the_server():
    part = replies.error(503, "Kind", "Text", {"retry-after": "1"})
    assert json.loads(part.data) == {"code": 503, "type": "Kind", "message": "Text"}
    assert (part.status, part.last) == (503, True)
    assert part.headers == {"content-type": "application/json", "retry-after": "1"}
