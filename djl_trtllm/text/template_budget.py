"""What rendering one chat template may cost, counted rather than timed, so that the same messages always fare the same.

The unit is about a nanosecond. Where that is wrong and rendering takes long all the same, the thread's time counts.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import jinja2

MAX_PROMPT = 32 * 2**20
"""Characters of a rendered prompt, and of any text or list that a template makes on the way."""

MAX_WORK = 2**30
"""Units for one rendering: a second or two. A chat of a thousand messages takes some percent of it."""

MAX_SECONDS = 4.0
"""Time of a thread for one rendering, whatever it has cost."""

STEP = 500
"""Units for a turn of a loop, or for a call."""

BODY = 10_000
"""Units for a call that runs a part of the template."""

CHARACTER, ITEM = 4, 200
"""Units for what goes through a filter or a method: a character, an item of a list."""

_LOOK = 2**17
"""Units after which the time is looked at."""

_TEXTS = (str, bytes)
_SIZED = (*_TEXTS, list, tuple, dict, set, frozenset, range)


class TooLong(jinja2.TemplateError):
    """The prompt, or a part of it, passed `MAX_PROMPT`."""


class TooMuch(jinja2.TemplateError):
    """The rendering passed `MAX_WORK`."""


class _Budget:
    __slots__ = ("deadline", "left", "look")

    def __init__(self) -> None:
        self.left = MAX_WORK
        self.look = MAX_WORK - _LOOK
        self.deadline = time.thread_time() + MAX_SECONDS


_budget: ContextVar[_Budget] = ContextVar("budget")


@contextmanager
def rendering() -> Iterator[None]:
    """Give what is rendered inside a budget of its own."""
    token = _budget.set(_Budget())
    try:
        yield
    finally:
        _budget.reset(token)


def spend(units: int) -> None:
    """Take units from the budget; raises `TooMuch` when it is used up."""
    budget = _budget.get()
    budget.left -= units
    if budget.left < budget.look:
        budget.look = max(budget.left - _LOOK, 0)
        if budget.left < 0 or time.thread_time() > budget.deadline:
            raise TooMuch


def fits(characters: int) -> None:
    """Raise `TooLong` for a text or a list that would be so long."""
    if characters > MAX_PROMPT:
        raise TooLong


def size(value: object) -> int:
    """Characters, items, or bytes of a number; 1 for anything else."""
    if isinstance(value, _SIZED):
        return len(value)
    return value.bit_length() // 8 if isinstance(value, int) else 1


def steps(items: Iterable[Any], more: int = 0) -> Iterator[Any]:
    """Pass on items, each of which costs a step."""
    for item in items:
        spend(STEP + more)
        yield item


def made(value: Any) -> Any:
    """Pay for a value that has been copied or put together, and return it."""
    length = size(value)
    fits(length)
    spend(length // 4 if isinstance(value, _TEXTS) else 2 * length)
    return value


def looked_through(value: Any) -> Any:
    """Pay for a value that something is looked for in or compared with, and return it."""
    spend(size(value) * (1 if isinstance(value, _TEXTS) else 40))
    return value


def worked_through(value: object, character: int = CHARACTER) -> None:
    """Pay for a value all of which goes through a filter or a method, at a price for a character of a text."""
    spend(size(value) * (character if isinstance(value, _TEXTS) else ITEM))
