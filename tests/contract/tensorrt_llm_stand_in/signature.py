"""Binds a call to the overloads of the contract and refuses what the library refuses.

Stricter than the library in one point: every argument goes by keyword except `input_token_ids`, because the order of
arguments is what changes most between versions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.contract.tensorrt_llm_stand_in.annotations import Find, fits

REQUIRED = "<required>"
NAMELESS = ("arg0", "arg1")
"""What the contract calls arguments that have no name: they go by position only."""

POSITIONAL = ("input_token_ids", *NAMELESS)


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of an overload; `default` is the contract's text."""

    name: str
    annotation: str | None
    default: str | None

    @property
    def required(self) -> bool:
        return self.default == REQUIRED


@dataclass(frozen=True, slots=True)
class Overload:
    """One way to call: named arguments, and whether any other keyword or positional is taken."""

    arguments: tuple[Argument, ...]
    any_keyword: bool
    any_positional: bool

    @classmethod
    def of(cls, entry: Sequence[Sequence[Any]]) -> Overload:
        named = tuple(Argument(*argument) for argument in entry if not argument[0].startswith("*"))
        kinds = [argument[0] for argument in entry if argument[0].startswith("*") and argument[0] != "*"]
        return cls(
            named,
            any(kind.startswith("**") for kind in kinds),
            any(not kind.startswith("**") for kind in kinds),
        )

    def __str__(self) -> str:
        texts = [f"{argument.name}: {argument.annotation or 'object'}" for argument in self.arguments]
        return f"({', '.join(texts)}{', **kwargs' if self.any_keyword else ''})"

    def problem(self, positional: Sequence[Any], keywords: dict[str, Any], find: Find) -> str | None:
        """Say why a call does not fit this overload, None where it does. Adds positional values to `keywords`."""
        names = [argument.name for argument in self.arguments]
        nameless = [name for name in keywords if name in NAMELESS]
        if nameless:
            return f"got an unexpected keyword argument {nameless[0]!r}"
        if positional and not self.any_positional:
            allowed = [name for name in names[: len(positional)] if name in POSITIONAL]
            if len(allowed) < len(positional):
                return f"takes {len(allowed)} positional arguments but {len(positional)} were given"
            twice = [name for name in allowed if name in keywords]
            if twice:
                return f"got multiple values for argument {twice[0]!r}"
            keywords.update(zip(allowed, positional, strict=False))
        unknown = [name for name in keywords if name not in names]
        if unknown and not self.any_keyword:
            return f"got an unexpected keyword argument {unknown[0]!r}"
        missing = [a.name for a in self.arguments if a.required and a.name not in keywords]
        if missing:
            return f"missing required arguments: {', '.join(map(repr, missing))}"
        for argument in self.arguments:
            if argument.name in keywords and not acceptable(keywords[argument.name], argument, find):
                value = keywords[argument.name]
                given = f"{type(value).__name__} {value!r:.80}"
                return f"argument {argument.name!r} must be {argument.annotation}, not {given}"
        return None


def acceptable(value: Any, argument: Argument, find: Find) -> bool:
    """Say whether an argument takes a value: what its annotation allows, or None where that is the default."""
    if value is None and argument.default == "None":
        return True
    if argument.annotation == "PluginConfig" and isinstance(value, dict):
        return True
    if argument.annotation in ("int", "int?") and argument.default in ("True", "False"):
        return type(value) is bool or type(value) is int
    return fits(value, argument.annotation, find)


def bind(
    name: str,
    overloads: Sequence[Overload],
    positional: Sequence[Any],
    keywords: dict[str, Any],
    find: Find,
    default: Callable[[str], Any],
) -> dict[str, Any]:
    """Return the arguments of a call with the defaults filled in; TypeError where no overload takes it."""
    problems = []
    for overload in overloads:
        bound = dict(keywords)
        problem = overload.problem(positional, bound, find)
        if problem is None:
            for argument in overload.arguments:
                if argument.name not in bound:
                    bound[argument.name] = default(str(argument.default))
            return bound
        problems.append(problem)
    if len(problems) == 1:
        raise TypeError(f"{name}() {problems[0]}")
    ways = "".join(f"\n    {n}. {overload}" for n, overload in enumerate(overloads, 1))
    raise TypeError(f"{name}(): incompatible function arguments ({'; '.join(problems)}). Supported:{ways}")
