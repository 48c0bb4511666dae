"""Guided decoding: what the configuration must be, and an answer that a guide allows.

There is no matcher here. For a guide one text is made that it matches, spelt with the tokens that the configuration
gave, so that an answer comes out right only if they stand at their ids and the tokenizer is that of the model. What no
text can be made for fails where the library's compiler would.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.checks import BINDINGS, failed
from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour


class NoGrammar(Exception):
    """A guide that does not compile. As xgrammar's, the text quotes it."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Ids by how the tokenizer spells them; `blank` is how it spells a blank."""

    ids: Mapping[str, int]
    stops: Sequence[int]
    blank: str


@behaviour(f"{BINDINGS}.GuidedDecodingConfig")
class GuidedDecodingConfig:
    """Checks what the library asserts: a backend that its own code has, tokens, and what ends an answer."""

    def __init__(self, context: Context, **values: Any) -> None:
        if values["backend"].name != "XGRAMMAR":
            raise failed("LLGuidance is not supported for guided decoding in C++ runtime.")
        for name in ("encoded_vocab", "tokenizer_str", "stop_token_ids"):
            if not values.get(name):
                raise failed(f"Guided decoding needs {name}")


@behaviour(f"{BINDINGS}.GuidedDecodingParams")
class GuidedDecodingParams:
    """Checks that there is a guide where the type wants one."""

    def __init__(self, context: Context, *, guide_type: Any, guide: str | None = None) -> None:
        if (guide is None) != (guide_type.name == "JSON"):
            raise failed("The guide string must be provided unless using GuideType::kJSON.")


def vocabulary(tokens: Sequence[str], tokenizer: str, stops: Sequence[int], size: int) -> Vocabulary:
    """Return the tokens of a configuration for a model of `size` ids. Raises RuntimeError for what cannot be right."""
    from tokenizers import Tokenizer

    described = json.loads(tokenizer)
    expected = Tokenizer.from_str(tokenizer).get_vocab(with_added_tokens=True)
    special = {token["content"] for token in described.get("added_tokens") or () if token["special"]}
    if len(tokens) > size:
        raise failed(f"{len(tokens)} tokens are more than the {size} that the model has")
    if not stops or not all(0 <= stop < len(tokens) for stop in stops):
        raise failed(f"stop_token_ids {list(stops)} are not all tokens")
    for token, number in expected.items():
        told = tokens[number] if number < len(tokens) else ""
        if told != token and not (told == "" and (token in special or number >= size)):
            raise failed(f"token {number} is spelt otherwise than in the tokenizer")
    decoder = json.dumps(described.get("decoder"), ensure_ascii=False)
    blank = "Ġ" if "ByteLevel" in decoder else "▁" if "▁" in decoder or "Metaspace" in decoder else " "
    return Vocabulary({t: n for n, t in enumerate(tokens) if t and t not in special}, list(stops), blank)


def answer(kind: str, guide: str | None, vocabulary: Vocabulary) -> list[int]:
    """Return the tokens of a text that a guide allows, and the one that ends it. Raises `NoGrammar`."""
    try:
        return [*_spelt(_text(kind, guide or ""), vocabulary), vocabulary.stops[0]]
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, re.error) as error:
        raise NoGrammar(f"/xgrammar/cpp/grammar_parser.cc: {kind} {guide!r}: {error!r}") from None


def _text(kind: str, guide: str) -> str:
    if kind == "JSON":
        return "{}"
    if kind == "JSON_SCHEMA":
        schema = json.loads(guide)
        return json.dumps(_value(schema, schema))
    if kind == "REGEX":
        return _matching(re._parser.parse(guide))  # type: ignore[attr-defined]
    if kind == "EBNF_GRAMMAR":
        found = re.search(r'^\s*root\s*::=[^"]*"((?:[^"\\]|\\.)*)"', guide, re.MULTILINE)
        if found is None:
            raise ValueError("The root rule is not found")
        return str(json.loads(f'"{found[1]}"'))
    raise ValueError(f"Unsupported guide type {kind}")


def _value(schema: Any, root: Any) -> Any:
    if schema is True or schema == {}:
        return {}
    if not isinstance(schema, dict):
        raise TypeError("Schema should be an object or bool")
    if "$ref" in schema:
        found = root
        for part in schema["$ref"].split("/")[1:]:
            found = found[part]
        return _value(found, root)
    if "enum" in schema or "const" in schema:
        return schema["const"] if "const" in schema else schema["enum"][0]
    if "anyOf" in schema:
        return _value(schema["anyOf"][0], root)
    kind = schema.get("type", "object")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        names = schema.get("required") or ()
        return {name: _value(schema.get("properties", {}).get(name, True), root) for name in names}
    if kind == "array":
        return [_value(schema.get("items", True), root)] * schema.get("minItems", 0)
    least = {"string": "a" * schema.get("minLength", 0), "integer": schema.get("minimum", 0)}
    return {**least, "number": 0.5, "boolean": True, "null": None}[kind]


def _matching(parsed: Any) -> str:
    """Return the shortest text that a parsed expression matches, or nearly so."""
    text = ""
    for operation, value in parsed:
        name = str(operation)
        if name == "LITERAL":
            text += chr(value)
        elif name == "ANY":
            text += "a"
        elif name == "IN":
            text += _member(value)
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            text += _matching(value[2]) * value[0]
        elif name == "SUBPATTERN":
            text += _matching(value[3])
        elif name == "BRANCH":
            text += _matching(value[1][0])
        elif name != "AT":
            raise ValueError(f"{name} is not supported yet.")
    return text


def _member(of: Any) -> str:
    """Return a character of a class."""
    if str(of[0][0]) == "NEGATE":
        return next(c for c in "abcdefghij0-_ " if not re.match(_class(of[1:]), c))
    operation, value = of[0]
    categories = {"CATEGORY_DIGIT": "7", "CATEGORY_WORD": "w", "CATEGORY_SPACE": " "}
    return (
        categories[str(value)]
        if str(operation) == "CATEGORY"
        else chr(value[0] if isinstance(value, tuple) else value)
    )


def _class(of: Any) -> str:
    parts = [(v if isinstance(v, tuple) else (v, v)) for _, v in of]
    return "[" + "".join(f"{re.escape(chr(low))}-{re.escape(chr(high))}" for low, high in parts) + "]"


def _spelt(text: str, vocabulary: Vocabulary) -> list[int]:
    spelling = text.replace(" ", vocabulary.blank)
    longest = max(map(len, vocabulary.ids))
    ids, at = [], 0
    while at < len(spelling):
        pieces = (spelling[at : at + length] for length in range(longest, 0, -1))
        piece = next((piece for piece in pieces if piece in vocabulary.ids), None)
        if piece is None:
            raise ValueError("no tokens for it")
        ids.append(vocabulary.ids[piece])
        at += len(piece)
    return ids
