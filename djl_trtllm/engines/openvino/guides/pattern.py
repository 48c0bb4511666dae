"""Regular expressions, written anew so that the library that enforces them gives no broken text.

Of a negated class the library makes bytes that are no UTF-8, and what `.`, a class or a literal allows inside a JSON
string may be a quote or a line feed, which ends the string or breaks it (XGrammar inside OpenVINO GenAI 2026.4.1,
observed). So every class is written out as the ranges of characters it may have; the rest is passed on as it is.
Of a range like U+00A0 to U+D7FF it makes a first byte ED behind which nothing is allowed, and E0 80, which is no UTF-8;
so ranges are cut where the bytes of their ends do not span the same values as everything between.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Ranges = Sequence[tuple[int, int]]

LAST = 0x10FFFF
_DIGITS = ((0x30, 0x39),)
_WORD = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
_BLANKS = ((0x09, 0x0D), (0x20, 0x20))
_LINE = ((0x0A, 0x0A), (0x0D, 0x0D))
_CLASSES = {"d": _DIGITS, "w": _WORD, "s": _BLANKS}
_CONTROLS = {"n": 0x0A, "t": 0x09, "r": 0x0D, "f": 0x0C, "v": 0x0B}
_HEX = {"x": 2, "u": 4}
_LAST_OF_SIZE = (0x7F, 0x7FF, 0xFFFF)
"""The last character of one, two and three bytes of UTF-8."""
_SYNTAX = frozenset("\\^$.|?*+()[]{}-")
_JSON_SPELLED = {0x22: '"', 0x5C: "\\", 0x0A: "n", 0x09: "t", 0x0D: "r", 0x0C: "f", 0x08: "b"}


@dataclass(frozen=True, slots=True)
class Alphabet:
    """Which characters an answer may have. `quoted`: it stands in a JSON string, where some are spelled otherwise."""

    ranges: Ranges
    quoted: bool = False


TEXT = Alphabet(((0x01, 0xD7FF), (0xE000, LAST)))
JSON_STRING = Alphabet(
    ((0x20, 0x21), (0x23, 0x5B), (0x5D, 0x7E), (0xA0, 0xD7FF), (0xE000, LAST)), quoted=True
)


class UnreadableError(ValueError):
    """The expression is not one, as far as is read here; the library says better what is wrong with it."""


def rewritten(pattern: str, alphabet: Alphabet) -> str:
    """Return an expression for the same texts, as far as they consist of the alphabet. Raises `UnreadableError`."""
    return "".join(_pieces(pattern, alphabet))


def characters(alphabet: Alphabet) -> str:
    """Return a class of all of them."""
    return _class(alphabet.ranges)


def _pieces(pattern: str, alphabet: Alphabet) -> Iterator[str]:
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "[":
            ranges, at = _read_class(pattern, at + 1)
            yield _class(_common(ranges, alphabet.ranges))
        elif char == "\\":
            name = pattern[at + 1 : at + 2]
            if name.lower() in _CLASSES:
                found: Ranges = _CLASSES[name.lower()]
                ranges = found if name.islower() else _others(found)
                yield _class(_common(ranges, alphabet.ranges))
                at += 2
            elif name and name in "bBAzZpPkKc0123456789":
                yield pattern[at : at + 2]  # The library says that there are none.
                at += 2
            else:
                code, at = _escaped(pattern, at)
                yield _literal(code, alphabet)
        elif char == ".":
            yield _class(_common(_others(_LINE), alphabet.ranges))
            at += 1
        elif char == "(" and pattern.startswith("(?:", at):
            yield "(?:"
            at += 3
        elif char in _SYNTAX:
            yield char
            at += 1
        else:
            yield _literal(ord(char), alphabet)
            at += 1


def _read_class(pattern: str, at: int) -> tuple[Ranges, int]:
    """Return what a class allows and where it ends; `at` is behind its bracket."""
    negated = pattern.startswith("^", at)
    at += negated
    ranges: list[tuple[int, int]] = []
    first = True
    while first or not pattern.startswith("]", at):
        first = False
        low, at = _item(pattern, at)
        if isinstance(low, int) and pattern.startswith("-", at) and not pattern.startswith("-]", at):
            high, at = _item(pattern, at + 1)
            if not isinstance(high, int) or high < low:
                raise UnreadableError
            ranges.append((low, high))
        else:
            ranges += [(low, low)] if isinstance(low, int) else low
    return (_others(ranges) if negated else ranges), at + 1


def _item(pattern: str, at: int) -> tuple[int | Ranges, int]:
    if at >= len(pattern):
        raise UnreadableError
    if pattern[at] != "\\":
        return ord(pattern[at]), at + 1
    name = pattern[at + 1 : at + 2]
    if name.lower() in _CLASSES:
        found: Ranges = _CLASSES[name.lower()]
        return (found if name.islower() else _others(found)), at + 2
    return _escaped(pattern, at)


def _escaped(pattern: str, at: int) -> tuple[int, int]:
    """Return the character that an escape at `at` stands for, and where it ends."""
    name = pattern[at + 1 : at + 2]
    if not name:
        raise UnreadableError
    if name in _CONTROLS:
        return _CONTROLS[name], at + 2
    if name not in _HEX:
        if name.isalnum():
            raise UnreadableError
        return ord(name), at + 2
    begin, end = at + 2, at + 2 + _HEX[name]
    if pattern.startswith("{", begin):
        begin, end = begin + 1, pattern.find("}", begin)
        after = end + 1
    else:
        after = end
    try:
        code = int(pattern[begin:end], 16)
    except ValueError:
        raise UnreadableError from None
    if end <= begin or len(pattern) < after or code > LAST:
        raise UnreadableError
    return code, after


def _literal(code: int, alphabet: Alphabet) -> str:
    if alphabet.quoted and code in _JSON_SPELLED:
        return f"(?:{_spelled(0x5C)}{_spelled(ord(_JSON_SPELLED[code]))})"
    return _spelled(code)


def _spelled(code: int) -> str:
    char = chr(code)
    if char.isascii() and char.isalnum():
        return char
    return f"\\u{{{code:x}}}" if code > 0x7E or code < 0x20 else ("\\" + char if char in _SYNTAX else char)


def _class(ranges: Ranges) -> str:
    if not ranges:
        raise UnreadableError
    return (
        "["
        + "".join(
            _in_class(low) + ("-" + _in_class(high) if high > low else "")
            for pair in ranges
            for low, high in _cut(*pair)
        )
        + "]"
    )


def _cut(low: int, high: int) -> Iterator[tuple[int, int]]:
    """Cut a range into ones whose UTF-8 is a product: any first byte of a span, then any second of a span, ..."""
    for last in _LAST_OF_SIZE:
        if low <= last < high:
            yield from _cut(low, last)
            yield from _cut(last + 1, high)
            return
    for bits in (6, 12, 18):
        rest = (1 << bits) - 1
        if low > 0x7F and low | rest < high | rest:
            if low & rest:
                yield from _cut(low, low | rest)
                yield from _cut((low | rest) + 1, high)
                return
            if high & rest != rest:
                yield from _cut(low, (high & ~rest) - 1)
                yield from _cut(high & ~rest, high)
                return
    yield low, high


def _in_class(code: int) -> str:
    return chr(code) if chr(code).isascii() and chr(code).isalnum() else f"\\u{{{code:x}}}"


def _others(ranges: Ranges) -> Ranges:
    """Return what is in none of the ranges."""
    found, begin = [], 0
    for low, high in sorted(ranges):
        if low > begin:
            found.append((begin, low - 1))
        begin = max(begin, high + 1)
    return [*found, (begin, LAST)] if begin <= LAST else found


def _common(some: Ranges, others: Ranges) -> Ranges:
    """Return what is in both, in order."""
    both = {(max(a, c), min(b, d)) for a, b in some for c, d in others if max(a, c) <= min(b, d)}
    return sorted(both)
