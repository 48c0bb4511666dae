"""The kinds of option values: how each is written, and how its text becomes a Python value.

Every option arrives as text (DJL-Serving passes `option.x=y` as a string property). A kind turns it into a
typed value or raises `ValueError`; `Kind.allowed` says what is allowed, for errors and documentation.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from djl_trtllm.s3 import address

_TRUE = frozenset(("true", "1", "yes", "on"))
_FALSE = frozenset(("false", "0", "no", "off"))
_NOTHING = frozenset(("none", "null", "off"))
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,9})?)\s*([kmgt]?)(i?)(b?)", re.ASCII | re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value: its name in tables, what is allowed in words, and the parser."""

    type: str
    allowed: str
    parse: Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Size:
    """An amount of memory or disk in bytes."""

    bytes: int

    def __str__(self) -> str:
        for unit, power in (("TiB", 4), ("GiB", 3), ("MiB", 2), ("KiB", 1)):
            if self.bytes and self.bytes % 1024**power == 0:
                return f"{self.bytes // 1024**power}{unit}"
        return str(self.bytes)


@dataclass(frozen=True, slots=True)
class Tokens:
    """An amount of KV cache in tokens."""

    count: int

    def __str__(self) -> str:
        return str(self.count)


def _parse_bool(text: str) -> bool:
    word = text.lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(text)


BOOL = Kind("bool", "true or false", _parse_bool)
TEXT = Kind("text", "any text", str)


def _parse_address(text: str) -> str:
    return str(address.parse(text))


ADDRESS = Kind(
    "address", "an address s3://bucket/prefix, without credentials, wildcards or a query", _parse_address
)


def _parse_int(text: str) -> int:
    # int() alone would also take "1_000" and digits of other scripts, which nobody means.
    if not (text.isascii() and text.lstrip("+-").isdigit()):
        raise ValueError(text)
    return int(text)


def integer(low: int, high: int) -> Kind:
    """Whole numbers from `low` to `high`, both included."""

    def parse(text: str) -> int:
        value = _parse_int(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    return Kind("int", f"a whole number from {low} to {high}", parse)


def power_of_two(low: int, high: int) -> Kind:
    """Powers of two from `low` to `high`."""

    def parse(text: str) -> int:
        value = _parse_int(text)
        if not low <= value <= high or value & (value - 1):
            raise ValueError(text)
        return value

    return Kind("int", f"a power of two from {low} to {high}", parse)


def number(low: float, high: float, *, above: bool = False) -> Kind:
    """Finite numbers from `low` (excluded when `above`) to `high`."""

    def parse(text: str) -> float:
        value = float(text) if text.isascii() and "_" not in text else math.nan
        if not low <= value <= high or (above and value == low):
            raise ValueError(text)
        return value

    start = f"a number above {low:g} and" if above else f"a number from {low:g}"
    return Kind("float", f"{start} up to {high:g}" if above else f"{start} to {high:g}", parse)


def choice(*names: str, synonyms: Mapping[str, str] | None = None) -> Kind:
    """One of `names`, in any case; `synonyms` are other spellings taken for them."""
    known = {name.lower(): name for name in names} | dict(synonyms or {})

    def parse(text: str) -> str:
        try:
            return known[text.lower()]
        except KeyError:
            raise ValueError(text) from None

    return Kind("choice", "one of " + ", ".join(names), parse)


def _bytes(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(text)
    amount, prefix, binary, byte = match.groups()
    if binary and not prefix:
        raise ValueError(text)
    # "8G" and "8GiB" are binary as in Java's -Xmx and Docker's --memory; only "8GB" says decimal.
    base = 1000 if prefix and byte and not binary else 1024
    unit = base ** _POWERS[prefix.lower()]
    return int(float(amount) * unit) if "." in amount else int(amount) * unit


def _parse_size(text: str) -> Size:
    return Size(_bytes(text))


SIZE = Kind("size", "a size such as 64KiB, 512MiB or 2GiB", _parse_size)


def _parse_size_or_tokens(text: str) -> Size | Tokens:
    value: Size | Tokens = Tokens(_parse_int(text)) if text.isdigit() else Size(_bytes(text))
    if (value.count if isinstance(value, Tokens) else value.bytes) < 1:
        raise ValueError(text)
    return value


SIZE_OR_TOKENS = Kind("size or int", "a size such as 2GiB, or a number of tokens", _parse_size_or_tokens)


def _parse_fraction_or_size(text: str) -> float | Size:
    try:
        value = float(text) if text.isascii() and "_" not in text else math.nan
    except ValueError:
        return _parse_size(text)
    if not 0 < value <= 1:
        raise ValueError(text)
    return value


FRACTION_OR_SIZE = Kind(
    "float or size", "a number above 0 and up to 1, or a size such as 8GiB", _parse_fraction_or_size
)


def _parse_degree(text: str) -> str:
    if text.lower() == "max":
        return "max"
    if not 1 <= _parse_int(text) <= 1024:
        raise ValueError(text)
    return str(_parse_int(text))


DEGREE = Kind("int or max", "a whole number from 1 to 1024, or max", _parse_degree)


def optional(kind: Kind) -> Kind:
    """`kind`, or one of none, null and off for "not set"."""

    def parse(text: str) -> object:
        return None if text.lower() in _NOTHING else kind.parse(text)

    return Kind(kind.type, f"{kind.allowed}, or none", parse)
