"""The tools that a chat offers, and what the answer must do with them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from djl_trtllm.core import Guide, ToolChoice
from djl_trtllm.schemas.guides import json_guide
from djl_trtllm.schemas.kinds import FLAG, JSON_OBJECT, TEXT, says

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_NAMES = "1 to 64 letters, digits, points, - and _"
_MANY = 64
_ANYTHING = {"type": "object", "properties": {}}


class Function(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function that the answer may call."""

    name: Annotated[str, says(TEXT, "Its name.")] | None = None
    description: Annotated[str, says(TEXT, "What it does.")] | None = None
    parameters: Annotated[dict[str, Any], says(JSON_OBJECT, "JSON schema of its arguments.")] | None = None
    strict: Annotated[bool, says(FLAG, "Without effect: arguments are bound where the call is.")] | None = (
        None
    )


class Tool(msgspec.Struct, frozen=True, omit_defaults=True):
    """One entry of `tools`."""

    type: Annotated[Literal["function"], says("a text: function", "Its kind.")] | None = None
    function: Annotated[Function, says(JSON_OBJECT, "The function.")] | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """What the template is told of, what the answer is bound to, and how the answer is read."""

    choice: ToolChoice = ToolChoice.NONE
    tools: Sequence[Mapping[str, Any]] = ()
    name: str = ""
    guide: Guide | None = None


def offer(
    tools: Sequence[Tool] | None, choice: str | dict[str, Any] | None, parallel: object, problems: list[str]
) -> Offer:
    """Return the offer of a request.

    `tool_choice` as OpenAI documents it: none hides the tools, auto (where there are some) offers them, a named one
    binds the answer to its arguments, required to a list of calls, of one call where `parallel` is false.
    """
    functions = _functions(tools or (), problems)
    shown = [{"type": "function", "function": function} for function in functions.values()]
    if isinstance(choice, dict):
        return _named(choice, functions, shown, problems)
    if choice not in (None, "none", "auto", "required"):
        problems.append("tool_choice must be none, auto, required, or an object that names a function.")
    elif choice == "required" and not tools:
        problems.append("tool_choice=required needs tools to choose from.")
    elif choice == "required":
        return Offer(ToolChoice.REQUIRED, shown, guide=json_guide(_calls(functions, parallel is not False)))
    elif choice != "none" and shown:
        return Offer(ToolChoice.AUTO, shown)
    return Offer()


def _functions(tools: Sequence[Tool], problems: list[str]) -> dict[str, dict[str, Any]]:
    functions: dict[str, dict[str, Any]] = {}
    for i, tool in enumerate(tools):
        if len(problems) > _MANY:
            break
        path = f"tools[{i}].function"
        function = tool.function
        if function is None:
            if not any(problem.startswith((f"tools[{i}].", f"tools[{i}] ")) for problem in problems):
                problems.append(f"{path} is missing.")
            continue
        name = function.name or ""
        if not _NAME.fullmatch(name):
            problems.append(f"{path}.name must be {_NAMES}.")
        elif name in functions:
            problems.append(f"{path}.name is that of an earlier tool.")
        made: dict[str, Any] = {"name": name}
        if function.description is not None:
            made["description"] = function.description
        made["parameters"] = function.parameters or _ANYTHING
        functions[name] = made
    return functions


def _named(
    choice: Mapping[str, Any],
    functions: Mapping[str, Mapping[str, Any]],
    shown: Sequence[Mapping[str, Any]],
    problems: list[str],
) -> Offer:
    inner = choice.get("function")
    name = inner.get("name") if isinstance(inner, dict) else None
    if choice.get("type") != "function" or not isinstance(name, str):
        problems.append(
            'tool_choice must be {"type": "function", "function": {"name": ...}} where it is an object.'
        )
        return Offer()
    if name not in functions:
        problems.append("tool_choice names a function that is not among the tools.")
        return Offer()
    return Offer(ToolChoice.NAMED, shown, name, json_guide(functions[name]["parameters"]))


def _calls(functions: Mapping[str, Mapping[str, Any]], several: bool) -> dict[str, Any]:
    """Return the schema of a list of calls.

    A function's schema that refers to itself moves to the root's `$defs`, because references start at the root.
    """
    definitions: dict[str, Any] = {}
    each = []
    for name, function in functions.items():
        arguments = function["parameters"]
        if _refers(arguments):
            definitions[name] = _moved(arguments, f"#/$defs/{name}")
            arguments = {"$ref": f"#/$defs/{name}"}
        each.append(
            {
                "type": "object",
                "properties": {"name": {"type": "string", "enum": [name]}, "parameters": arguments},
                "required": ["name", "parameters"],
                "additionalProperties": False,
            }
        )
    schema: dict[str, Any] = {"type": "array", "minItems": 1, "items": {"anyOf": each}}
    if not several:
        schema["maxItems"] = 1
    return {**schema, "$defs": definitions} if definitions else schema


def _refers(schema: Any) -> bool:
    if isinstance(schema, dict):
        return "$ref" in schema or any(map(_refers, schema.values()))
    return isinstance(schema, list) and any(map(_refers, schema))


def _moved(schema: Any, root: str) -> Any:
    """Return a schema whose references to its own root point to `root`."""
    if isinstance(schema, list):
        return [_moved(inner, root) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    moved = {name: _moved(inner, root) for name, inner in schema.items()}
    reference = moved.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        moved["$ref"] = root + reference[1:]
    return moved
