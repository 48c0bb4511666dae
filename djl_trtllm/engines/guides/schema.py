"""What of JSON schemas can be enforced token by token, as xgrammar 0.2.8 takes them (observed).

A keyword that it would pass over in silence is refused: the answer would not be what was asked for. References stay
within the schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NoReturn

from djl_trtllm.engines.guides import regex

DEEPEST = 64
"""Levels that a schema may be nested; the libraries that read it recurse."""

_TYPES = frozenset(("string", "number", "integer", "boolean", "null", "array", "object"))
_NOT_ENFORCED = (
    "not",
    "if",
    "then",
    "else",
    "contains",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "multipleOf",
)
_OF_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS = ("items", "additionalProperties", "propertyNames", "unevaluatedItems", "unevaluatedProperties")
_BOUNDS = (
    ("minimum", "maximum"),
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
)


_NOTES = frozenset(
    (
        *("$comment", "$defs", "$id", "$schema", "default", "definitions", "deprecated", "description"),
        *("discriminator", "example", "examples", "readOnly", "title", "writeOnly"),
    )
)
"""Keywords that bind nothing."""

_ALONE = ("$ref", "anyOf", "oneOf", "allOf", "const", "enum")
"""Keywords that are enforced, while what stands beside them is passed over. A type beside them is common and harmless
where they are of that type, but for a reference."""


class _Wrong(Exception):
    """What is wrong, for a sentence that begins with the schema."""


def problem(text: str) -> str | None:
    """Say what is wrong with a JSON schema, None where nothing is seen."""
    try:
        root = _parsed(text)
        if root is False:
            return "is false, which no answer can be"
        if root is not True and not isinstance(root, dict):
            return "is neither an object nor a boolean"
        _check_depth(root)
        _check(root, root)
    except _Wrong as wrong:
        return str(wrong)
    return None


def _parsed(text: str) -> object:
    def constant(name: str) -> NoReturn:
        raise ValueError(name)

    try:
        return json.loads(text, parse_constant=constant)
    except (ValueError, RecursionError):
        raise _Wrong("is not JSON") from None


def _check_depth(root: object) -> None:
    level = [root]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return
    raise _Wrong(f"is nested more than {DEEPEST} levels deep")


def _inside(value: object) -> Iterator[object]:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return (one for one in inner if isinstance(one, dict | list))


def _check(schema: object, root: object) -> None:
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise _Wrong("has an inner schema that is neither an object nor a boolean")
    _check_words(schema)
    _check_beside(schema)
    _check_reference(schema, root)
    for name in _OF_SCHEMAS:
        for key, inner in _object(schema, name).items():
            if name == "patternProperties" and regex.problem(key) is not None:
                raise _Wrong("has a pattern that cannot be enforced")
            _check(inner, root)
    for name in _LISTS:
        for inner in _list(schema, name):
            _check(inner, root)
    for name in _SCHEMAS:
        if name in schema:
            _check(schema[name], root)


def _check_words(schema: Mapping[str, object]) -> None:
    for name in _NOT_ENFORCED:
        if name in schema:
            raise _Wrong(f"has {name}, which cannot be enforced while an answer is made")
    if schema.get("uniqueItems") is True:
        raise _Wrong("has uniqueItems, which cannot be enforced while an answer is made")
    if "type" in schema:
        kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        if not kinds or not all(isinstance(kind, str) and kind in _TYPES for kind in kinds):
            raise _Wrong("has a type that is none of JSON's")
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise _Wrong("has a required that is no list of names")
    if "enum" in schema and (not isinstance(schema["enum"], list) or not schema["enum"]):
        raise _Wrong("has an enum that is no list of values")
    if "pattern" in schema:
        pattern = schema["pattern"]
        if not isinstance(pattern, str) or regex.problem(pattern) is not None:
            raise _Wrong("has a pattern that cannot be enforced")
    for low, high in _BOUNDS:
        least, most = schema.get(low), schema.get(high)
        if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
            raise _Wrong(f"has a {low} above its {high}")


def _check_beside(schema: Mapping[str, object]) -> None:
    """Refuse keywords of which only one is enforced."""
    for name in _ALONE:
        rest = schema.keys() - _NOTES - {name} - ({"type"} if name != "$ref" else set())
        if name in schema and rest:
            raise _Wrong(f"has other keywords beside {name}, which cannot be enforced together")
    of_text = [name for name in ("pattern", "format") if name in schema]
    lengths = [name for name in ("minLength", "maxLength") if name in schema]
    if of_text and (lengths or len(of_text) > 1):
        raise _Wrong(f"has {(lengths or of_text)[-1]} beside {of_text[0]}, which cannot be enforced together")
    required, described = schema.get("required"), schema.get("properties", {})
    if isinstance(required, list) and isinstance(described, dict) and set(required) - described.keys():
        raise _Wrong("requires a property that is not among its properties")


def _object(schema: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = schema.get(name, {})
    if not isinstance(value, dict):
        raise _Wrong(f"has {name} that are no object")
    return value


def _list(schema: Mapping[str, object], name: str) -> list[object]:
    value = schema.get(name, [])
    if not isinstance(value, list) or (name in schema and name != "prefixItems" and not value):
        raise _Wrong(f"has {name} that is no list of schemas")
    if name == "allOf" and len(value) > 1:
        raise _Wrong("has allOf with several schemas, which cannot be enforced together; write them as one")
    return value


def _check_reference(schema: Mapping[str, object], root: object) -> None:
    """Follow a reference to what it stands for: it must end somewhere."""
    for _ in range(DEEPEST):
        reference = schema.get("$ref")
        if reference is None:
            return
        if not isinstance(reference, str) or not (reference == "#" or reference.startswith("#/")):
            raise _Wrong(
                "refers to something outside itself; only references that begin with #/ are followed"
            )
        target = _resolved(reference, root)
        if not isinstance(target, dict):
            return
        schema = target
    raise _Wrong("has a reference that leads back to itself")


def _resolved(reference: str, root: object) -> object:
    found = root
    for part in reference.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdecimal() and int(key) < len(found):
            found = found[int(key)]
        else:
            raise _Wrong("has a reference to nothing")
    if not isinstance(found, dict | bool):
        raise _Wrong("has a reference to what is no schema")
    return found
