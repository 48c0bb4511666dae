"""Whether a body gives a name twice, for next to nothing on a body that does not.

A decoder keeps the last of two equal names and says nothing. But every text and every name of a body has two
quotation marks, and escaped ones inside: a body with more of them than what was read from it needs has lost something.
Only then is it read again, to find out what.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from djl_trtllm.errors import InvalidRequest

MAX_DEPTH = 100
"""Levels of objects and lists in a body."""

NAME = re.compile(r"[A-Za-z0-9_.-]{1,40}")
"""Names that an error text may repeat; others may hold anything."""

TOO_DEEP = f"The body is nested too deeply: at most {MAX_DEPTH} levels are read."
_MANY = 8
_FIRST_VALUE = len('{"inputs"')
_encode = msgspec.json.Encoder().encode
_PLAIN = frozenset((int, float, bool, type(None)))
_TEXT = frozenset((str,))


def find(body: bytes, read: msgspec.Struct, *, suspicious: bool = False) -> list[str]:
    """Return what is wrong with the names of a body that was read as `read`: problems, mostly none.

    Raises `InvalidRequest` for a body that is too deep, so that whatever looks into it may be recursive.
    """
    expected = _quotes(read, 1)
    if b"\\" in body:
        # An escape can spell a quotation mark as a number, which is not counted in the body.
        same = body.count(b'"') == expected and b"u0022" not in body
    else:
        # From one quotation mark to the next there is none, and over the first value there is much to skip.
        start = body.find(b'"', _FIRST_VALUE) + 1
        same = body.count(b'"', 0, start) + body.count(b'"', body.find(b'"', start)) == expected
    return [] if same and not suspicious else search(bytes(body))


def _nested(value: Any, depth: int) -> int:
    """The quotation marks of a value that is no text: those that it has where it is written with every name once."""
    try:
        written = _encode(value)
    except (RecursionError, OverflowError):  # too deep, or a number of more than 64 bits
        return _quotes(value, depth)
    # Brackets of texts are counted too: then it is looked at more closely in vain.
    if depth + written.count(b"{") + written.count(b"[") > MAX_DEPTH:
        return _quotes(value, depth)
    return written.count(b'"')


def _quotes(value: Any, depth: int) -> int:
    """The quotation marks that an object or a list needs."""
    if depth > MAX_DEPTH:
        raise InvalidRequest(TOO_DEEP)
    kind = value.__class__
    found = 0
    if kind is dict:
        found = sum([2 + name.count('"') if name.__class__ is str else 2 for name in value])
        inside = value.values()
    elif kind is list:
        kinds = set(map(type, value))
        if kinds == _TEXT:
            return 2 * len(value) + int("".join(value).count('"'))
        inside = value if kinds - _PLAIN else ()
    else:
        values = msgspec.structs.astuple(value)
        found = 2 * (len(values) - values.count(None) + values.count(""))
        # The others that are false have no quotation marks inside.
        inside = filter(None, values)
    for one in inside:
        kind = one.__class__
        if kind is str:
            # Looking is thirty times faster than counting.
            found += 2 + one.count('"') if '"' in one else 2
        elif kind not in _PLAIN:
            found += _nested(one, depth + 1)
    return found


def search(body: bytes) -> list[str]:
    """Return a problem for every name that comes twice in one object of a JSON text.

    Raises `InvalidRequest` for what a decoder passes over where it does not have to look: bytes that are not UTF-8.
    """
    found: dict[str, None] = {}

    def look(pairs: Sequence[tuple[str, object]]) -> None:
        names = [name for name, _ in pairs]
        if len(set(names)) == len(names) or len(found) > _MANY:
            return
        seen: set[str] = set()
        for name in names:
            if name in seen:
                found[
                    f"{name} comes" if NAME.fullmatch(name) else f"A name of {len(name)} characters comes"
                ] = None
            seen.add(name)

    try:
        text = body.decode("utf-8-sig")
        json.loads(text, object_pairs_hook=look, parse_int=len, parse_float=len)
    except RecursionError:
        raise InvalidRequest(TOO_DEEP) from None
    except UnicodeDecodeError as error:
        raise InvalidRequest(f"The body is not UTF-8 (byte {error.start}).") from None
    except json.JSONDecodeError as error:
        raise InvalidRequest(
            f"The body is not valid JSON at line {error.lineno}, column {error.colno}."
        ) from None
    return [f"{who} twice in one object; send it once." for who in list(found)[:_MANY]]
