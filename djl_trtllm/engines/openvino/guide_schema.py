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
ONE = ("additionalProperties", "unevaluatedProperties", "propertyNames", "items", "unevaluatedItems")
MANY = ("anyOf", "oneOf", "allOf", "prefixItems")
NAMED = ("properties", "patternProperties", "$defs", "definitions")


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
    for name in ONE:
        if name in schema:
            yield schema[name]
    for name in MANY:
        several = schema.get(name)
        if isinstance(several, Sequence) and not isinstance(several, str):
            yield from several
    for name in NAMED:
        named = schema.get(name)
        if isinstance(named, Mapping):
            yield from named.values()


def inside(name: str, value: object, change: Callable[[object], object]) -> object:
    """Return the value of a schema's keyword with the schemas in it changed."""
    if name in ONE:
        return change(value)
    if name in MANY and isinstance(value, list):
        return [change(part) for part in value]
    if name in NAMED and isinstance(value, dict):
        return {key: change(part) for key, part in value.items()}
    return value


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


def _strings(root: Mapping[str, object], schema: Mapping[str, object]) -> Iterator[str]:  # noqa: ARG001
    """Of these the library takes one and leaves the others out."""
    said = [name for name in ("pattern", "format") if name in schema]
    lengths = [name for name in ("minLength", "maxLength") if name in schema]
    if len(said) > 1 or (said and lengths):
        yield f"{said[0]} together with {said[1] if len(said) > 1 else lengths[0]} is not supported"


def _numbers(root: Mapping[str, object], schema: Mapping[str, object]) -> Iterator[str]:  # noqa: ARG001
    """Most bounds of a number let values past them through, and fractions even what is no JSON (`1"5`)."""
    bounds = [name for name in _BOUNDS if name in schema]
    if not bounds:
        return
    if any(type(schema[name]) is not int for name in bounds):
        yield "a bound of a number that is a fraction is not supported"
    elif schema.get("type") != "integer" and not (
        (bounds == ["minimum"] and schema["minimum"] in (0, 1))
        or (bounds == ["maximum"] and int(str(schema["maximum"])) >= 0)
    ):
        yield "bounds are supported for the type integer; a number can only have a minimum of 0 or 1 or a maximum"


_RULES: Sequence[Callable[[Mapping[str, object], Mapping[str, object]], Iterator[str]]] = (
    _ignored,
    _reference,
    _required,
    _strings,
    _numbers,
)
