"""The rows of a schema's struct, for checking values one by one and for the documentation."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args, get_type_hints

import msgspec


@dataclass(frozen=True, slots=True)
class Rule:
    """One field of a struct. `inner` is the struct of its objects, or of those in its list."""

    name: str
    type: Any
    allowed: str
    meaning: str
    inner: type[msgspec.Struct] | None


@functools.cache
def rules(struct: type[msgspec.Struct]) -> Mapping[str, Rule]:
    """Return the rules of a struct by name, its own fields before those it inherits."""
    hints = get_type_hints(struct, include_extras=True)
    names = dict.fromkeys(name for kind in struct.__mro__ for name in inspect.get_annotations(kind))
    return {name: _rule(name, hints[name]) for name in names if name in struct.__struct_fields__}


def _rule(name: str, hint: Any) -> Rule:
    meta = next(part.__metadata__[-1] for part in (hint, *get_args(hint)) if hasattr(part, "__metadata__"))
    inner = next(
        (part for part in _parts(hint) if isinstance(part, type) and issubclass(part, msgspec.Struct)), None
    )
    return Rule(name, hint, meta.extra["allowed"], meta.description, inner)


def _parts(hint: Any) -> Iterator[Any]:
    """Everything a type is made of, except what stands inside of a dict."""
    yield hint
    if getattr(hint, "__origin__", None) is not dict:
        for part in get_args(hint):
            yield from _parts(part)


def markdown(struct: type[msgspec.Struct]) -> str:
    """Return a struct's table for docs/requests.md, without what it inherits.

    Parameters without effect take a line after it.
    """
    own = [rule for name, rule in rules(struct).items() if name in inspect.get_annotations(struct)]
    lines = ["| parameter | value | meaning |", "|---|---|---|"]
    lines += [
        f"| `{rule.name}` | {rule.allowed} | {rule.meaning} |" for rule in own if rule.allowed != "anything"
    ]
    ignored = [f"`{rule.name}`" for rule in own if rule.allowed == "anything"]
    if ignored:
        lines += ["", f"Taken and without effect: {', '.join(ignored)}."]
    return "\n".join(lines)
