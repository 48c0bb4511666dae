"""From what a request says in any spelling to the one `Guide` its answer is bound to."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from djl_trtllm.core import Features, Guide, GuideKind
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.schemas.guided import Guided
from djl_trtllm.schemas.parameters import Parameters

_META = str.maketrans({**{c: "\\" + c for c in "\\.^$*+?()[]{}|/"}, "\n": "\\n", "\r": "\\r", "\t": "\\t"})
_ONE_OF = ("json", "json_object", "regex", "choice", "grammar")
_MAX_DEPTH = 100

Named = tuple[str, Guide | None]
"""A parameter and what it asks for; None where it is wrong."""


def guide_of(
    given: Guided, defaults: Defaults, features: Features, problems: list[str], others: Sequence[Named] = ()
) -> Guide | None:
    """Return the guide of a request, None for none. `others` are those that it asks for in further ways.

    What is wrong, more than one, and what the engine cannot enforce goes to `problems`: a guide is kept or refused.
    """
    named = [*_named(given, problems), *others]
    if not named:
        return None
    if len(named) > 1:
        problems.append(
            f"{' and '.join(name for name, _ in named)} exclude each other: an answer has one guide."
        )
        return None
    name, guide = named[0]
    if guide is None:
        return None
    if defaults.guided_decoding == "off":
        problems.append(f"{name} is not supported: guided decoding is off (option guided_decoding).")
    elif guide.kind not in features.guides:
        problems.append(
            f"{name} is not supported: this engine cannot bind an answer to a {guide.kind.value}."
        )
    return guide


def json_guide(schema: Any) -> Guide:
    """Return the guide for a JSON schema."""
    return Guide(GuideKind.JSON, json.dumps(schema, ensure_ascii=False, separators=(",", ":")))


def _named(given: Guided, problems: list[str]) -> Iterator[Named]:
    if given.guided_json is not None:
        yield "guided_json", _of_schema("guided_json", given.guided_json, problems)
    if given.guided_regex is not None:
        yield "guided_regex", _of_text("guided_regex", GuideKind.REGEX, given.guided_regex, problems)
    if given.guided_choice is not None:
        yield "guided_choice", _of_choice("guided_choice", given.guided_choice, problems)
    if given.guided_grammar is not None:
        yield "guided_grammar", _of_text("guided_grammar", GuideKind.GRAMMAR, given.guided_grammar, problems)
    for name in ("guided_decoding", "structured_outputs"):
        asked = getattr(given, name)
        if asked is not None:
            yield from _of_one(name, asked, problems)
    if isinstance(given, Parameters) and given.grammar is not None:
        yield "grammar", _of_tgi(given.grammar, problems)
    if given.response_format is not None and given.response_format.get("type") != "text":
        yield "response_format", _of_response_format(given.response_format, problems)


def _of_one(name: str, asked: Mapping[str, Any], problems: list[str]) -> Iterator[Named]:
    """An object with one of several members; others than those say how, not what, and may be left out."""
    if asked.get("structural_tag") is not None:
        problems.append(f"{name}.structural_tag is not supported by this server.")
        return
    members = {
        key: asked[key] for key in _ONE_OF if asked.get(key) is not None and asked.get(key) is not False
    }
    if not members:
        problems.append(f"{name} must have one of {', '.join(_ONE_OF)}.")
    for key, value in members.items():
        path = f"{name}.{key}"
        if key == "json":
            yield path, _of_schema(path, value, problems)
        elif key == "json_object":
            yield path, json_guide({"type": "object"})
        elif key == "choice":
            yield path, _of_choice(path, value, problems)
        else:
            yield (
                path,
                _of_text(path, GuideKind.REGEX if key == "regex" else GuideKind.GRAMMAR, value, problems),
            )


def _of_tgi(asked: Mapping[str, Any], problems: list[str]) -> Guide | None:
    """TGI's `grammar` (2.x and 3.x)."""
    kind, value = asked.get("type"), asked.get("value")
    if kind == "regex":
        return _of_text("grammar.value", GuideKind.REGEX, value, problems)
    if kind in ("json", "json_object"):
        return _of_schema("grammar.value", value, problems)
    if kind == "json_schema":
        schema = value.get("schema") if isinstance(value, dict) else None
        return _of_schema("grammar.value.schema", schema, problems)
    problems.append("grammar.type must be json, json_object, json_schema or regex.")
    return None


def _of_response_format(asked: Mapping[str, Any], problems: list[str]) -> Guide | None:
    """OpenAI's, and the further types that TensorRT-LLM's own server takes (1.x)."""
    kind = asked.get("type")
    if kind in ("json_object", "json"):
        return _of_schema("response_format.schema", asked.get("schema", {"type": "object"}), problems)
    if kind == "json_schema":
        inner = asked.get("json_schema")
        schema = inner.get("schema") if isinstance(inner, dict) else None
        return _of_schema("response_format.json_schema.schema", schema, problems)
    if kind == "regex":
        return _of_text("response_format.regex", GuideKind.REGEX, asked.get("regex"), problems)
    if kind == "ebnf":
        return _of_text("response_format.ebnf", GuideKind.GRAMMAR, asked.get("ebnf"), problems)
    problems.append("response_format.type must be text, json_object, json_schema, regex or ebnf.")
    return None


def _of_schema(path: str, schema: object, problems: list[str]) -> Guide | None:
    if isinstance(schema, str):
        try:
            schema = msgspec.json.decode(schema)
        except (msgspec.DecodeError, UnicodeError):
            problems.append(f"{path} is a text that is not JSON.")
            return None
        except RecursionError:
            schema = None
    if not isinstance(schema, dict) or _deep(schema):
        problems.append(f"{path} must be a JSON schema: an object, at most {_MAX_DEPTH} levels deep.")
        return None
    return json_guide(schema)


def _deep(value: object) -> bool:
    """Whether a schema has more levels than any engine should be asked to follow."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        inner: list[object] = []
        for one in level:
            if isinstance(one, dict):
                inner += one.values()
            elif isinstance(one, list):
                inner += one
        if not inner:
            return False
        level = inner
    return True


def _of_text(path: str, kind: GuideKind, text: object, problems: list[str]) -> Guide | None:
    if not isinstance(text, str) or not text.strip():
        problems.append(f"{path} must be a {kind.value}: a text that is not empty.")
        return None
    return Guide(kind, text)


def _of_choice(path: str, choices: object, problems: list[str]) -> Guide | None:
    if not isinstance(choices, list) or not choices or not all(isinstance(c, str) and c for c in choices):
        problems.append(f"{path} must be a list of texts that are not empty.")
        return None
    return Guide(
        GuideKind.REGEX, f"({'|'.join(choice.translate(_META) for choice in dict.fromkeys(choices))})"
    )
