"""What the library does not enforce, or gets wrong, is refused; the rest passes."""

from __future__ import annotations

import json

import pytest

from djl_trtllm.engines.openvino.guides.schema import problem


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"required": ["secret"], "properties": {"a": {}}}, "required property"),
        ({"type": "string", "pattern": "a", "maxLength": 3}, "pattern together with maxLength"),
        ({"type": "string", "pattern": "a", "format": "date"}, "pattern together with format"),
        ({"type": "number", "minimum": 0, "maximum": 1}, "type integer"),
        ({"type": "number", "minimum": 0.5}, "fraction"),
        ({"type": "integer", "minimum": True}, "fraction"),
        ({"minimum": 3}, "type integer"),
        ({"type": "number", "minimum": 3}, "type integer"),
    ],
)
def test_refused_wherever_it_stands(schema: dict[str, object], said: str) -> None:
    for outer in (
        schema,
        {"properties": {"x": schema}},
        {"anyOf": [{}, schema]},
        {"items": {"additionalProperties": schema}},
        {"$defs": {"x": {"prefixItems": [schema]}}},
    ):
        found = problem(json.dumps(outer))
        assert said in found
        assert "secret" not in found


@pytest.mark.parametrize(
    "schema",
    [
        True,
        {},
        {"required": ["a"], "properties": {"a": {}}},
        {"properties": {"minimum": {}, "required": {}}},
        {"const": {"minimum": 0.5}},
        {"type": "integer", "minimum": 3, "exclusiveMaximum": 9},
        {"type": "number", "minimum": 0},
        {"type": "number", "maximum": 100},
        {"type": "string", "maxLength": 3},
        {"type": "string", "format": "date"},
    ],
)
def test_passed(schema: object) -> None:
    assert problem(json.dumps(schema)) == ""
