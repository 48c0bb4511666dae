from __future__ import annotations

import json
import re
from typing import Any

import pytest

from djl_trtllm.core import Features, Guide, GuideKind
from djl_trtllm.errors import InvalidRequest
from djl_trtllm.schemas.defaults import Defaults
from tests.support.lmi_bodies import EVERYTHING, FEATURES, body, chat, completion, read

SCHEMA = {"type": "object", "properties": {"\u00e9": {"type": "integer", "maximum": 10**30}}}
COMPACT = (
    '{"type":"object","properties":{"\u00e9":{"type":"integer","maximum":1000000000000000000000000000000}}}'
)
JSON = Guide(GuideKind.JSON, COMPACT)
ANY_OBJECT = Guide(GuideKind.JSON, '{"type":"object"}')
REGEX = Guide(GuideKind.REGEX, "a+")
GRAMMAR = Guide(GuideKind.GRAMMAR, "root ::= 'a'")
CHOICE = Guide(GuideKind.REGEX, "(yes|no\\.)")


def refused(data: bytes, features: Features = EVERYTHING, **how: Any) -> list[str]:
    with pytest.raises(InvalidRequest) as caught:
        read(data, features=features, **how)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("name", "value", "guide"),
    [
        ("guided_json", SCHEMA, JSON),
        ("guided_json", json.dumps(SCHEMA), JSON),
        ("guided_regex", "a+", REGEX),
        ("guided_choice", ["yes", "no.", "yes"], CHOICE),
        ("guided_grammar", "root ::= 'a'", GRAMMAR),
        *(
            (name, value, guide)
            for name in ("guided_decoding", "structured_outputs")
            for value, guide in [
                ({"json": SCHEMA}, JSON),
                ({"json": json.dumps(SCHEMA), "regex": None, "json_object": False}, JSON),
                ({"json_object": True}, ANY_OBJECT),
                ({"regex": "a+", "backend": "xgrammar"}, REGEX),
                ({"choice": ["yes", "no."]}, CHOICE),
                ({"grammar": "root ::= 'a'"}, GRAMMAR),
            ]
        ),
        ("response_format", {"type": "text"}, None),
        ("response_format", {"type": "json_object"}, ANY_OBJECT),
        ("response_format", {"type": "json_object", "schema": SCHEMA}, JSON),
        (
            "response_format",
            {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": SCHEMA}},
            JSON,
        ),
        ("response_format", {"type": "json", "schema": SCHEMA}, JSON),
        ("response_format", {"type": "regex", "regex": "a+"}, REGEX),
        ("response_format", {"type": "ebnf", "ebnf": "root ::= 'a'"}, GRAMMAR),
    ],
)
def test_spellings(name: str, value: object, guide: Guide | None) -> None:
    for make in (body, chat, completion):
        assert read(make(**{name: value}), features=EVERYTHING).guide == guide


@pytest.mark.parametrize(
    ("value", "guide"),
    [
        ({"type": "json", "value": SCHEMA}, JSON),
        ({"type": "json", "value": json.dumps(SCHEMA)}, JSON),
        ({"type": "json_object", "value": SCHEMA}, JSON),
        ({"type": "json_schema", "value": {"name": "x", "schema": SCHEMA}}, JSON),
        ({"type": "regex", "value": "a+"}, REGEX),
    ],
)
def test_tgi(value: object, guide: Guide) -> None:
    assert read(body(grammar=value), features=EVERYTHING).guide == guide
    assert read(chat(grammar=value), features=EVERYTHING).warnings == (
        "grammar is not a parameter; it has no effect.",
    )


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("guided_json", "", "guided_json is a text that is not JSON."),
        ("guided_json", "[1]", "guided_json must be a JSON schema: an object, at most 100 levels deep."),
        (
            "guided_json",
            '{"a":' * 150 + "1" + "}" * 150,
            "guided_json must be a JSON schema: an object, at most 100",
        ),
        ("guided_json", '{"a":' * 5000, "guided_json must be a JSON schema: an object, at most 100"),
        ("guided_json", '{"a": "\\ud800"}', "guided_json is a text that is not JSON."),
        ("guided_json", 5, "guided_json=5 must be an object or a text."),
        ("guided_regex", " ", "guided_regex must be a regular expression: a text that is not empty."),
        ("guided_choice", [], "guided_choice must be a list of 1 to 1024 texts"),
        ("guided_choice", ["a", ""], "guided_choice must be a list of 1 to 1024 texts"),
        ("guided_grammar", "", "guided_grammar must be a grammar: a text that is not empty."),
        (
            "guided_decoding",
            {},
            "guided_decoding must have one of json, json_object, regex, choice, grammar.",
        ),
        (
            "guided_decoding",
            {"choice": "a"},
            "guided_decoding.choice must be a list of texts that are not empty.",
        ),
        ("guided_decoding", {"regex": 5}, "guided_decoding.regex must be a regular expression: a text"),
        (
            "guided_decoding",
            {"structural_tag": "x"},
            "guided_decoding.structural_tag is not supported by this server.",
        ),
        (
            "response_format",
            {},
            "response_format.type must be text, json_object, json_schema, regex or ebnf.",
        ),
        (
            "response_format",
            {"type": "json_schema"},
            "response_format.json_schema.schema must be a JSON schema",
        ),
        ("grammar", {"type": "json"}, "grammar.value must be a JSON schema"),
        ("grammar", {"type": "json_schema", "value": 1}, "grammar.value.schema must be a JSON schema"),
        ("grammar", {"type": "x"}, "grammar.type must be json, json_object, json_schema or regex."),
    ],
)
def test_mistakes(name: str, value: object, problem: str) -> None:
    (found,) = refused(body(**{name: value}))
    assert found.startswith(problem)


def test_one_guide_only() -> None:
    assert refused(body(guided_regex="a", guided_decoding={"json": {}, "regex": "b"})) == [
        "guided_regex and guided_decoding.json and guided_decoding.regex exclude each other: an answer has one guide."
    ]
    assert read(body(guided_regex="a", response_format={"type": "text"}), features=EVERYTHING).guide


def test_kept_or_refused() -> None:
    assert refused(body(guided_regex="a"), FEATURES) == [
        "guided_regex is not supported: this engine cannot bind an answer to a regular expression."
    ]
    only_json = Features(guides=frozenset({GuideKind.JSON}))
    assert read(body(guided_json={}), features=only_json).guide
    assert refused(body(guided_choice=["a"]), only_json)[0].startswith("guided_choice is not supported")
    off = refused(body(guided_json={}), defaults=Defaults(guided_decoding="off"))
    assert off == ["guided_json is not supported: guided decoding is off (option guided_decoding)."]


@pytest.mark.parametrize(
    "choice", ["a.b", "\\d+", "(x|y)*", "[a]{2}", "^a$", "a/b?", "two\nlines\t", "\u00e9 \U0001f600"]
)
def test_choices_mean_themselves(choice: str) -> None:
    guide = read(body(guided_choice=["other", choice]), features=EVERYTHING).guide
    assert guide is not None
    assert re.fullmatch(guide.text, choice)
    assert re.fullmatch(guide.text, "other")
    assert not re.fullmatch(guide.text, choice + "x")
