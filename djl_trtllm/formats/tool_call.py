"""A call of a tool, and what reads one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments` is the text of a JSON object."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """So many characters are these calls, or, where there are none, are text."""

    length: int
    calls: Sequence[ToolCall] = ()


class Reader(Protocol):
    """Reads calls at the beginning of a text that grows from one look to the next. Made for one place in it."""

    def read(self, text: str, *, final: bool) -> Outcome | None:
        """Return what stands there, None while more text is needed; `final` says that there is no more."""
        ...
