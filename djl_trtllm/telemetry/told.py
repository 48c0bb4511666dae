"""Log messages that are more than one text: several lines, each with its fields."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Protocol


class Encode(Protocol):
    """Makes the JSON line of one record of a message."""

    def __call__(self, message: str, fields: object = None, age: float = 0.0) -> str:
        """`age` is how many seconds before the record it happened."""
        ...


class Told(ABC):
    """What a record's `msg` may be instead of a text. `str()` is all of it, a line each."""

    __slots__ = ()

    searched = True
    """Whether secrets are looked for in it, as in every text; sizes and times hold none."""

    @abstractmethod
    def lines(self) -> Sequence[str]:
        """Return the lines of the text format, each without its level and name."""

    def text(self, prefix: str) -> str:
        """Return the text format with `prefix` before each line."""
        return prefix + f"\n{prefix}".join(self.lines())

    @abstractmethod
    def objects(self, encode: Encode) -> Iterable[str]:
        """Return the lines of the JSON format."""

    def __str__(self) -> str:
        return "\n".join(self.lines())
