"""Did you mean: the known name closest to one that is not known."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the name in `known` that `name` is most likely a slip of, or None when none is close.

    Case and the difference between `-`, `_` and nothing do not count. Long names are not looked at: comparing
    takes time that grows with the square of their length, and they come from clients.
    """
    if len(name) > 64:
        return None
    plain = {_plain(candidate): candidate for candidate in known}
    close = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=0.75)
    return plain[close[0]] if close else None


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(".", "")


def shown(value: object, limit: int = 60) -> str:
    """Return a value as one short printable line for an error text."""
    text = "".join(c if c.isprintable() else "?" for c in str(value)[: limit + 1])
    return text if len(text) <= limit else text[:limit] + "..."
