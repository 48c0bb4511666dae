"""From what the engine answered to an HTTP head, as DJL-Serving makes one."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from djl_trtllm.local.engine import Part

Header = tuple[bytes, bytes]
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
OURS = ("content-length", "transfer-encoding", "connection", "x-request-id")
"""Headers that a handler cannot set: the server's own win (DJL-Serving 0.36.0, observed)."""


@dataclass(frozen=True, slots=True)
class Head:
    """Status line and headers. An empty `reason` means the status' usual phrase."""

    status: int
    reason: bytes
    headers: list[Header]


def head(part: Part, request_id: str) -> Head:
    """Return the head of a response whose first part is `part`.

    Raises ValueError where DJL-Serving's HTTP library does: a line break in the reason or in a header's value, and
    a header's name that is none.
    """
    status = part.status if 200 <= part.status <= 599 else 500
    reason = b"" if part.reason in ("", "OK") else _latin(part.reason)
    headers = [(_name(name), _latin(value)) for name, value in part.headers.items()]
    headers = [pair for pair in headers if pair[0].decode() not in OURS]
    headers.append((b"x-request-id", _latin(request_id)))
    if status >= 400:
        headers.append((b"connection", b"close"))
    if part.last and status != HTTPStatus.NO_CONTENT:
        headers.append((b"content-length", str(len(part.data)).encode()))
    return Head(status, reason, headers)


def error(status: int, kind: str, message: str, extra: Mapping[str, str] | None = None) -> Part:
    """Return an answer of the server itself, in DJL-Serving's shape."""
    body = json.dumps({"code": status, "type": kind, "message": message}).encode()
    return Part(body, True, status, "", {"content-type": "application/json", **(extra or {})})


def _name(text: str) -> bytes:
    if not _TOKEN.fullmatch(text):
        raise ValueError("a header's name that is none")
    return text.lower().encode()


def _latin(text: str) -> bytes:
    """Return a header's bytes; what Latin-1 does not have becomes `?`, as in DJL-Serving."""
    if any(c in text for c in "\r\n\0"):
        raise ValueError("a line break in a header or reason")
    return text.encode("latin-1", "replace")
