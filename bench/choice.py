"""Choosing by name on a command line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def chosen(
    things: Iterable[T], wanted: Sequence[str], names: Callable[[T], Sequence[str]], shown: Iterable[str]
) -> list[T]:
    """Return the things that are meant by any of their names, all where none is wanted; letters' case is the same.

    Raises ValueError, which names every mistake and what is `shown`.
    """
    known = [(one, {name.lower() for name in names(one)}) for one in things]
    unknown = [name for name in wanted if not any(name.lower() in called for _, called in known)]
    if unknown:
        raise ValueError(f"there is no {', '.join(unknown)}: choose from {', '.join(shown)}")
    asked = {name.lower() for name in wanted}
    return [one for one, called in known if not asked or asked & called]
