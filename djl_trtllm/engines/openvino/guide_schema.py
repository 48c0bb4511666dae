"""What the library that enforces JSON schemas does not enforce, or gets wrong, and would not say.

A client that binds its answer to a schema relies on it, so a schema is refused where an answer could break it. All of
this was observed with OpenVINO GenAI 2026.4.1 (the XGrammar inside it).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

DEPTH = 64
"""How deeply schemas may be nested. The library's time grows faster than the depth, and at some thousand it crashes."""

_IGNORED = (
    "not",
    "if",
    "multipleOf",
    "uniqueItems",
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "dependencies",
    "$dynamicRef",
    "$recursiveRef",
)
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_ONE = ("additionalProperties", "unevaluatedProperties", "propertyNames", "items", "unevaluatedItems")
_MANY = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs", "definitions")


def problem(text: str) -> str:
    """Return why a schema cannot be enforced, or nothing. Completes a sentence; quotes only JSON Schema's words."""
    try:
        root = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        return f"it is nested more than {DEPTH} deep"
    except json.JSONDecodeError as error:
        return f"it is not JSON, at line {error.lineno}, column {error.colno}"
    except ValueError:
        return "it has a number that JSON does not have"
    if isinstance(root, bool) and root:
        return ""
    if not isinstance(root, Mapping):
        return "it is neither an object nor true"
    try:
        return next(_problems(root, root, DEPTH), "")
    except RecursionError:
        return f"it is nested more than {DEPTH} deep"


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _problems(root: Mapping[str, object], schema: object, depth: int) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return  # true, false, or what the library refuses itself.
    if not depth:
        yield f"it is nested more than {DEPTH} deep"
        return
    for rule in _RULES:
        yield from rule(root, schema)
    for part in _parts(schema):
        yield from _problems(root, part, depth - 1)


def _parts(schema: Mapping[str, object]) -> Iterator[object]:
    for name in _ONE:
        if name in schema:
            yield schema[name]
    for name in _MANY:
        several = schema.get(name)
        if isinstance(several, Sequence) and not isinstance(several, str):
            yield from several
    for name in _NAMED:
        named = schema.get(name)
        if isinstance(named, Mapping):
            yield from named.values()


def _ignored(root: Mapping[str, object], schema: Mapping[str, object]) -> Iterator[str]:  # noqa: ARG001
    for name in _IGNORED:
        if name in schema and schema[name] is not False:
            yield f"{name} is not supported"
    several = schema.get("allOf")
    if isinstance(several, Sequence) and len(several) > 1:
        yield "allOf with more than one schema is not supported"


def _reference(root: Mapping[str, object], schema: Mapping[str, object]) -> Iterator[str]:
    """A $ref elsewhere is taken for any value; one that comes back to itself allows no text at all."""
    passed = set()
    while isinstance(schema, Mapping) and isinstance(pointer := schema.get("$ref"), str):
        if pointer != "#" and not pointer.startswith("#/"):
            yield "a $ref to another document is not supported"
            return
        if pointer in passed:
            yield "a $ref comes back to itself"
            return
        passed.add(pointer)
        schema = _at(root, pointer)  # type: ignore[assignment]


def _at(root: object, pointer: str) -> object:
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        root = root.get(name) if isinstance(root, Mapping) else None
    return root


def _required(root: Mapping[str, object], schema: Mapping[str, object]) -> Iterator[str]:  # noqa: ARG001
    """What is required and not described is left out of the answer."""
    required, described = schema.get("required"), schema.get("properties", {})
    if isinstance(required, Sequence) and isinstance(described, Mapping):
        missing = [name for name in required if isinstance(name, str) and name not in described]
        if missing:
            yield "a required property is not among its properties"


def _numbers(root: Mapping[str, object], schema: Mapping[str, object]) -> Iterator[str]:  # noqa: ARG001
    """Bounds that are fractions give what is no JSON (`1"5`), others of a number let values past them through.

    An integer's lower bound of 2 to 9 without an upper one lets smaller digits through.
    """
    bounds = [name for name in _BOUNDS if name in schema]
    kinds = schema.get("type")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    whole = isinstance(kinds, Sequence) and "number" not in kinds and "integer" in kinds
    if not bounds:
        return
    if not whole:
        if bounds not in (["minimum"], ["maximum"]) or not isinstance(schema[bounds[0]], int):
            yield "a number can have one of minimum and maximum here, and a whole one; an integer can have both"
    elif "maximum" not in schema and "exclusiveMaximum" not in schema:
        least = schema.get("minimum", schema.get("exclusiveMinimum"))
        lowest = least if isinstance(least, int) else 0
        if 2 <= lowest + ("exclusiveMinimum" in schema) <= 9:
            yield "an integer with a minimum of 2 to 9 needs a maximum here"


_RULES: Sequence[Callable[[Mapping[str, object], Mapping[str, object]], Iterator[str]]] = (
    _ignored,
    _reference,
    _required,
    _numbers,
)
