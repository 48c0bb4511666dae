"""Guides as the library gets them."""

from __future__ import annotations

import json

import pytest

from djl_trtllm.engines.openvino.guides.repair import repaired
from djl_trtllm.engines.openvino.messages import GRAMMAR, JSON, REGEX, Bound


def schema(value: object) -> object:
    return json.loads(repaired(Bound(JSON, json.dumps(value))))


def test_lengths_become_a_pattern_wherever_they_stand() -> None:
    made = schema({"properties": {"a": {"type": ["string", "null"], "minLength": 2, "maxLength": 4}}})
    inner = made["properties"]["a"]  # type: ignore[index]
    assert inner["pattern"].startswith("^[")
    assert inner["pattern"].endswith("]{2,4}$")
    assert set(inner) == {"type", "pattern"}
    assert schema({"type": "string", "minLength": 1})["pattern"].endswith("{1,}$")  # type: ignore[index]


@pytest.mark.parametrize(
    "same",
    [
        {"type": "integer", "minimum": 1, "maximum": 5},
        {"maxLength": 3},
        {"type": "string", "format": "date"},
        {"const": {"type": "string", "maxLength": 3}},
        {"type": "object", "properties": {"type": {}, "maxLength": {}}},
        True,
        [1],
    ],
)
def test_the_rest_is_as_it_was(same: object) -> None:
    assert schema(same) == same


def test_an_integer_bounded_on_one_side_gets_another_bound() -> None:
    assert schema({"type": "integer", "minimum": 7}) == {
        "type": "integer",
        "minimum": 7,
        "maximum": 10**15 - 1,
    }
    assert schema({"type": "integer", "exclusiveMaximum": 7})["minimum"] < -(10**14)  # type: ignore[index]
    assert schema({"type": "number", "minimum": 0}) == {"type": "number", "minimum": 0}


def test_patterns_of_values_and_of_names() -> None:
    made = schema({"patternProperties": {"^.$": {"pattern": "[^a]"}}, "propertyNames": {"maxLength": 2}})
    (name,) = made["patternProperties"]  # type: ignore[index]
    assert "." not in name
    assert "[^" not in made["patternProperties"][name]["pattern"]  # type: ignore[index]
    assert made["propertyNames"]["pattern"].endswith("{0,2}$")  # type: ignore[index]


def test_a_regex_is_rewritten_and_a_grammar_is_not() -> None:
    assert "[^" not in repaired(Bound(REGEX, "[^a]"))
    assert repaired(Bound(GRAMMAR, "root ::= [^a]")) == "root ::= [^a]"


def test_what_is_not_understood_is_left_to_the_library() -> None:
    for guide in (Bound(REGEX, "[a"), Bound(JSON, "{"), Bound(JSON, "[" * 100000)):
        assert repaired(guide) == guide.text
