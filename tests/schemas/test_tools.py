from __future__ import annotations

import json
from typing import Any

import pytest

from djl_trtllm.core import ToolChoice
from djl_trtllm.schemas.tools import Function, Offer, Tool, offer

PLACE = {"type": "object", "properties": {"city": {"type": "string"}}}
TREE = {
    "$defs": {
        "node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}, "root": {"$ref": "#"}}}
    },
    "type": "object",
    "properties": {
        "list": {"type": "array", "items": [{"$ref": "#/$defs/node"}]},
        "$ref": {"type": "string"},
    },
}


def tool(name: str, parameters: dict[str, Any] | None = None, description: str | None = None) -> Tool:
    return Tool("function", Function(name, description, parameters))


def made(*tools: Tool, choice: Any = None, parallel: object = None) -> Offer:
    problems: list[str] = []
    found = offer(tools, choice, parallel, problems)
    assert problems == []
    return found


def refused(*tools: Tool, choice: Any = None) -> list[str]:
    problems: list[str] = []
    offer(tools, choice, None, problems)
    return problems


def test_offers() -> None:
    assert made() == made(choice="none") == made(choice="auto") == Offer()
    assert made(tool("f"), choice="none") == Offer()
    auto = made(tool("f", PLACE, "Where?"))
    function = {"name": "f", "description": "Where?", "parameters": PLACE}
    assert auto == Offer(ToolChoice.AUTO, [{"type": "function", "function": function}])
    assert made(tool("f", PLACE, "Where?"), choice="auto") == auto
    assert made(tool("f")).tools[0]["function"]["parameters"] == {"type": "object", "properties": {}}


def test_a_named_function_binds_to_its_parameters() -> None:
    named = made(tool("f", PLACE), tool("g", TREE), choice={"type": "function", "function": {"name": "g"}})
    assert (named.choice, named.name, len(named.tools)) == (ToolChoice.NAMED, "g", 2)
    assert named.guide is not None
    assert json.loads(named.guide.text) == TREE


def test_required_binds_to_a_list_of_calls() -> None:
    required = made(tool("f", PLACE), tool("g"), choice="required")
    assert required.choice is ToolChoice.REQUIRED
    assert required.guide is not None
    schema = json.loads(required.guide.text)
    assert (schema["type"], schema["minItems"], "maxItems" in schema, "$defs" in schema) == (
        "array",
        1,
        False,
        False,
    )
    first, second = schema["items"]["anyOf"]
    assert first == {
        "type": "object",
        "properties": {"name": {"type": "string", "enum": ["f"]}, "parameters": PLACE},
        "required": ["name", "parameters"],
        "additionalProperties": False,
    }
    assert second["properties"]["name"]["enum"] == ["g"]
    one = made(tool("f"), choice="required", parallel=False)
    assert one.guide is not None
    assert json.loads(one.guide.text)["maxItems"] == 1


def test_references_still_find_what_they_mean() -> None:
    required = made(tool("f", PLACE), tool("g", TREE), choice="required")
    assert required.guide is not None
    schema = json.loads(required.guide.text)
    assert schema["items"]["anyOf"][1]["properties"]["parameters"] == {"$ref": "#/$defs/g"}
    inside = schema["$defs"]["g"]
    assert inside["properties"]["list"]["items"] == [{"$ref": "#/$defs/g/$defs/node"}]
    assert inside["properties"]["$ref"] == {"type": "string"}
    assert inside["$defs"]["node"]["properties"] == {
        "next": {"$ref": "#/$defs/g/$defs/node"},
        "root": {"$ref": "#/$defs/g"},
    }


@pytest.mark.parametrize(
    ("tools", "choice", "problem"),
    [
        ([], "required", "tool_choice=required needs tools to choose from."),
        ([], "sometimes", "tool_choice must be none, auto, required, or an object that names a function."),
        (
            [tool("f")],
            {"type": "function"},
            'tool_choice must be {"type": "function", "function": {"name": ...}}',
        ),
        (
            [tool("f")],
            {"type": "function", "function": {"name": "g"}},
            "tool_choice names a function that is not among",
        ),
        ([Tool("function")], None, "tools[0].function is missing."),
        ([tool("")], None, "tools[0].function.name must be 1 to 64 letters, digits, points, - and _."),
        ([tool("a b")], None, "tools[0].function.name must be"),
        ([tool("f"), tool("f")], None, "tools[1].function.name is that of an earlier tool."),
    ],
)
def test_mistakes(tools: list[Tool], choice: Any, problem: str) -> None:
    (found,) = refused(*tools, choice=choice)
    assert found.startswith(problem)
