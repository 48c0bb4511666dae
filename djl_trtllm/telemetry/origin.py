"""What a request brings along that tells an operator which one it is: DJL's id of it, and its place in a trace."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from djl_trtllm.telemetry.lines import escaped

MOST = 128
"""Characters of an id that are shown."""

_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/+=@~-"
_ODD = re.compile(r"[^A-Za-z0-9._/+=@~-]")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-[0-9a-zA-Z_-]{0,64})?")

Origin = tuple[str, str]
"""The id as it was given but cut, not fit for a line yet, and a `traceparent` of W3C's Trace Context; or empty."""

NOWHERE: Origin = ("", "")
"""Of a request that came without either, or where nobody wants to know."""

Read = Callable[[Mapping[str, str]], Origin]
"""Reads the origin from a request's headers."""


def unread(_: Mapping[str, str]) -> Origin:
    """For a server that neither logs requests nor sends spans."""
    return NOWHERE


def identified(headers: Mapping[str, str]) -> Origin:
    """Read the id: DJL 0.30 and later send theirs as `requestId`, which is the client's where it has sent one."""
    given = headers.get("requestId") or _header(headers, "x-request-id")
    if len(given) > MOST:
        given = given[:MOST]
    return (given, "") if given else NOWHERE


def traced(headers: Mapping[str, str]) -> Origin:
    """Read the id, and of which trace the request is part."""
    given, _ = identified(headers)
    parent = _header(headers, "traceparent").strip()
    return (given, parent) if _TRACEPARENT.fullmatch(parent) else (given, "")


def all_legible(given: list[str]) -> list[str]:
    """Return `legible` of each, which is cut already, at once: nearly always they are as they were given."""
    joined = "".join(given)
    plain = joined.isascii() and not joined.encode().translate(None, _PLAIN)
    return given if plain else [legible(one) for one in given]


def legible(given: str) -> str:
    r"""Return what a client calls its request so that it cannot pass for anything else in a line.

    Spaces, line breaks, quotes and whatever DJL looks for in a worker's lines (`[METRICS]`, `ModelServerTelemetry:`)
    stand there as Python's escapes: `\x5b`.
    """
    return _ODD.sub(escaped, given[:MOST])[:MOST]


def _header(headers: Mapping[str, str], name: str) -> str:
    """Return a header, whose name in lower case is `name`; empty when it was not sent."""
    if name in headers:
        return headers[name]
    for sent in headers:
        if len(sent) == len(name) and sent.lower() == name:
            return headers[sent]
    return ""
