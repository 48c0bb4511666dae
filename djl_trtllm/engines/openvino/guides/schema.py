"""What the library that enforces JSON schemas here gets wrong without a word, beyond what no engine can enforce.

A client that binds its answer to a schema relies on it, so a schema is refused where an answer could break it, and
`repair` does not help. All of this was observed with OpenVINO GenAI 2026.4.1 (the XGrammar inside it).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence

_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_ONE = ("additionalProperties", "unevaluatedProperties", "propertyNames", "items", "unevaluatedItems")
_MANY = ("anyOf", "oneOf", "allOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "$defs", "definitions")


def problem(text: str) -> str:
    """Return why a schema that `engines.guides` has read cannot be enforced, or nothing; completes a sentence."""
    return next(_problems(json.loads(text)), "")


def inside(name: str, value: object, change: Callable[[object], object]) -> object:
    """Return the value of a schema's keyword with the schemas in it changed."""
    if name in _ONE:
        return change(value)
    if name in _MANY and isinstance(value, list):
        return [change(part) for part in value]
    if name in _NAMED and isinstance(value, dict):
        return {key: change(part) for key, part in value.items()}
    return value


def _problems(schema: object) -> Iterator[str]:
    if not isinstance(schema, Mapping):
        return
    for rule in (_required, _strings, _numbers):
        yield from rule(schema)
    parts: list[object] = []
    for name, value in schema.items():
        inside(name, value, parts.append)
    for part in parts:
        yield from _problems(part)


def _required(schema: Mapping[str, object]) -> Iterator[str]:
    """What is required and not described is left out of the answer."""
    required, described = schema.get("required"), schema.get("properties", {})
    if isinstance(required, Sequence) and isinstance(described, Mapping):
        missing = [name for name in required if isinstance(name, str) and name not in described]
        if missing:
            yield "a required property is not among its properties"


def _strings(schema: Mapping[str, object]) -> Iterator[str]:
    """Of these the library takes one and leaves the others out."""
    said = [name for name in ("pattern", "format") if name in schema]
    lengths = [name for name in ("minLength", "maxLength") if name in schema]
    if len(said) > 1 or (said and lengths):
        yield f"{said[0]} together with {said[1] if len(said) > 1 else lengths[0]} is not supported"


def _numbers(schema: Mapping[str, object]) -> Iterator[str]:
    """Most bounds of a number let values past them through, and fractions even what is no JSON (`1"5`)."""
    bounds = [name for name in _BOUNDS if name in schema]
    if not bounds:
        return
    values = [schema[name] for name in bounds]
    if not all(type(value) is int for value in values):
        yield "a bound of a number that is a fraction is not supported"
    elif schema.get("type") != "integer" and not (
        (bounds == ["minimum"] and values[0] in (0, 1))
        or (bounds == ["maximum"] and int(str(values[0])) >= 0)
    ):
        yield "bounds are supported for the type integer; a number can only have a minimum of 0 or 1 or a maximum"
