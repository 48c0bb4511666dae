"""How much methods, filters and formats would make at most, told before they make it.

All else that a template can call makes little more than it is given.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from djl_trtllm.text import template_budget as budget

_ENCODINGS = ("utf-8", "utf8", "ascii", "latin-1", "")
_PRINTF = re.compile(r"%(?:\([^)]*\))?[-+ #0]*(\d+|\*)?(?:\.(\d+|\*))?")
_NUMBER = re.compile(r"\d+")

Growth = Callable[..., int]


def printf(text: Any, values: object) -> int:
    """What `text % values` makes at most."""
    many = (
        values
        if isinstance(values, tuple)
        else tuple(values.values())
        if isinstance(values, dict)
        else [values]
    )
    pattern: str = text.decode("latin-1") if isinstance(text, bytes) else str(text)
    budget.spend(32 * len(pattern))
    found = _PRINTF.findall(pattern)
    widths = [int(number) for pair in found for number in pair if number.isdigit()]
    if any("*" in pair for pair in found):
        widths += [abs(value) for value in many if isinstance(value, int)]
    longest = max((len(str(value)) for value in many), default=0)
    return len(pattern) + sum(widths) + len(found) * longest


def field(specification: str) -> int:
    """What one field of `str.format` makes at most, besides its value."""
    return sum(int(number) for number in _NUMBER.findall(specification))


def tojson(value: object, **settings: Any) -> str:
    """As json.dumps. With `indent` a deeply nested value would be as long as the square of what it is."""
    budget.fits(max(_width(settings.get("indent")), _width(settings.get("separators"))) * 2**19)
    if settings.get("indent") is None:
        return json.dumps(value, **settings)
    length, parts = 0, []
    for part in json.JSONEncoder(**settings).iterencode(value):
        length += len(part)
        budget.fits(length)
        budget.spend(budget.STEP + len(part))
        parts.append(part)
    return "".join(parts)


def _width(setting: object) -> int:
    if isinstance(setting, (list, tuple)):
        return sum(map(_width, setting))
    return len(setting) if isinstance(setting, str) else setting if isinstance(setting, int) else 0


def _wide(_: object, width: int = 0, *__: object) -> int:
    return width


def _replaced(text: Any, old: Any, new: Any, *_: object, **__: object) -> int:
    text, old, new = (part if isinstance(part, bytes) else str(part) for part in (text, old, new))
    count: int = text.count(old)
    return len(text) + count * max(len(new) - len(old), 0)


def _joined(separator: Any, items: Sequence[Any]) -> int:
    return sum(map(budget.size, items)) + len(separator) * len(items)


def _expanded(text: Any, tabsize: int = 8) -> int:
    return len(text) + len(text) * tabsize


def _translated(text: str, table: object) -> int:
    values = table.values() if isinstance(table, Mapping) else ()
    return len(text) * max((len(str(value)) for value in values), default=1)


def _coded(text: Any, encoding: str = "", *_: object) -> int:
    # Others, punycode among them, take time by the square of the length.
    return len(text) if str(encoding).lower() in _ENCODINGS else budget.MAX_PROMPT + 1


METHODS: Mapping[str, Growth] = {
    "center": _wide,
    "decode": _coded,
    "encode": _coded,
    "expandtabs": _expanded,
    "join": _joined,
    "ljust": _wide,
    "replace": _replaced,
    "rjust": _wide,
    "to_bytes": _wide,
    "translate": _translated,
    "zfill": _wide,
}
"""Of methods of texts, bytes and numbers: the owner and the arguments."""


def _split(_: object, count: int = 1, *__: object, **___: object) -> int:
    return count * 64


def _indented(text: Any, width: int | str = 4, *_: object, **__: object) -> int:
    return len(text) + (1 + str(text).count("\n")) * (width if isinstance(width, int) else len(width))


def _joined_items(items: object, d: object = "", *_: object, **__: object) -> int:
    return len(str(d)) * budget.size(items)


def _rounded(_: object, precision: int = 0, *__: object, **___: object) -> int:
    return abs(precision) * 2**16


def _squared(text: object, *_: object, **__: object) -> int:
    return len(str(text)) ** 2 // 2**10


def _summed(items: object, attribute: object = None, start: object = 0) -> int:  # noqa: ARG001
    return budget.size(items) ** 2 // 2**6 if isinstance(start, (list, tuple)) else 0


def _wrapped(text: str, *more: object, **named: object) -> int:
    wrap = named.get("wrapstring", more[2] if len(more) > 2 else None)
    return len(text) * len(str(wrap or "\n"))


FILTERS: Mapping[str, Growth] = {
    "batch": _split,
    "center": _wide,
    "indent": _indented,
    "join": _joined_items,
    "replace": _replaced,
    "round": _rounded,
    "slice": _split,
    "striptags": _squared,
    "sum": _summed,
    "urlize": _squared,
    "wordwrap": _wrapped,
    "xmlattr": _squared,
}
"""Of filters: the value and the arguments. Of those that take more time than room, the room that stands for it."""
