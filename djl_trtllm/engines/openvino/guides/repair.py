"""Guides as the library gets them: the same, but for what it gets wrong though it could get it right.

An answer that keeps to the repaired guide keeps to the client's. All of this was observed with OpenVINO GenAI 2026.4.1
(the XGrammar inside it); what cannot be repaired is refused by `schema`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from djl_trtllm.engines.openvino.guides import pattern as guide_pattern
from djl_trtllm.engines.openvino.guides.schema import inside
from djl_trtllm.engines.openvino.messages import JSON, REGEX, Bound

_FAR = 999_999_999_999_999


def repaired(guide: Bound) -> str:
    """Return the text for the library. A guide that is not understood here is left as it is, for it to refuse."""
    if guide.kind == REGEX:
        try:
            return guide_pattern.rewritten(guide.text, guide_pattern.TEXT)
        except guide_pattern.UnreadableError:
            return guide.text
    if guide.kind == JSON:
        try:
            schema = json.loads(guide.text)
        except (ValueError, RecursionError):
            return guide.text
        return json.dumps(_schema(schema), ensure_ascii=False)
    return guide.text


def _schema(schema: object) -> object:
    if not isinstance(schema, dict):
        return schema
    made = {name: inside(name, value, _schema) for name, value in schema.items()}
    _strings(made)
    _names(made)
    _integers(made)
    return made


def _strings(schema: dict[str, object]) -> None:
    """Lengths become a pattern: what the library makes of them allows line feeds inside a string."""
    lengths = [name for name in ("minLength", "maxLength") if isinstance(schema.get(name), int)]
    if lengths and "pattern" not in schema and "format" not in schema and "string" in _types(schema):
        least, most = schema.pop("minLength", 0), schema.pop("maxLength", "")
        any_of_them = guide_pattern.characters(guide_pattern.JSON_STRING)
        schema["pattern"] = f"^{any_of_them}{{{least},{most}}}$"
    elif isinstance(schema.get("pattern"), str):
        schema["pattern"] = _pattern(str(schema["pattern"]))


def _names(schema: dict[str, object]) -> None:
    named = schema.get("patternProperties")
    if isinstance(named, Mapping):
        schema["patternProperties"] = {_pattern(name): value for name, value in named.items()}
    names = schema.get("propertyNames")
    if isinstance(names, dict) and "type" not in names:
        schema["propertyNames"] = _schema({"type": "string", **names})


def _integers(schema: dict[str, object]) -> None:
    """An integer that is bounded on one side only is let past that side by some digits."""
    if _types(schema) != {"integer"}:
        return
    low = any(name in schema for name in ("minimum", "exclusiveMinimum"))
    high = any(name in schema for name in ("maximum", "exclusiveMaximum"))
    if low and not high:
        schema["maximum"] = _FAR
    elif high and not low:
        schema["minimum"] = -_FAR


def _types(schema: Mapping[str, object]) -> set[object]:
    kinds = schema.get("type")
    return set(kinds) if isinstance(kinds, list) and all(isinstance(k, str) for k in kinds) else {str(kinds)}


def _pattern(pattern: str) -> str:
    try:
        return guide_pattern.rewritten(pattern, guide_pattern.JSON_STRING)
    except guide_pattern.UnreadableError:
        return pattern
