from __future__ import annotations

import json

import pytest

from djl_trtllm.core import Guide, GuideKind
from djl_trtllm.engines.guides import problem
from djl_trtllm.errors import InvalidRequest

SECRET = "xyzzy"
"""Stands in every guide here, and in no message."""

REGEXES = {
    rf"(?={SECRET})a": "looks ahead or behind",
    rf"(?<!{SECRET})a": "looks ahead or behind",
    rf"({SECRET})\1": "refers back",
    rf"(?<n>{SECRET})\k<n>": "refers back",
    rf"\b{SECRET}": "word boundary",
    rf"\p{{L}}{SECRET}": "Unicode properties",
    rf"(?i){SECRET}": "a group with a flag",
    rf"(?P<n>{SECRET})": "a group with a flag",
    rf"(?>{SECRET})": "a group with a flag",
    rf"*{SECRET}": "repeats nothing",
    rf"{SECRET}|+": "repeats nothing",
    rf"{SECRET}*+": "two quantifiers",
    rf"{SECRET}*?*": "two quantifiers",
    rf"{SECRET}{{2,1}}": "lower bound is above",
    rf"{SECRET}{{,3}}": "begins no count",
    rf"({SECRET}": "not closed",
    rf"{SECRET})": "not opened",
    rf"[{SECRET}": "class of characters that is not closed",
    rf"[]{SECRET}]": "empty class",
    rf"[z-a]{SECRET}": "lower bound is above",
    rf"{SECRET}\\\ "[:-1]: "middle of an escape",
    rf"{SECRET}\x4": "not complete",
    rf"{SECRET}^a": "no answer could match",
    rf"$a{SECRET}": "no answer could match",
    rf"\A{SECRET}": "anchor besides",
    rf"((({SECRET}{{100}}){{100}}){{100}})": "more than 100000 characters",
    rf"{SECRET}{{9999999999}}": "more than 100000 characters",
}
SCHEMAS = {
    f'{{"title": "{SECRET}"': "is not JSON",
    f'{{"const": NaN, "title": "{SECRET}"}}': "is not JSON",
    "[" * 5000 + f'"{SECRET}"' + "]" * 5000: "is not JSON",
    f'["{SECRET}"]': "neither an object nor a boolean",
    "false": "no answer can be",
    f'{{"type": "{SECRET}"}}': "none of JSON's",
    f'{{"properties": ["{SECRET}"]}}': "properties that are no object",
    f'{{"properties": {{"{SECRET}": 3}}}}': "an inner schema",
    f'{{"required": "{SECRET}"}}': "no list of names",
    '{"enum": []}': "no list of values",
    f'{{"$ref": "http://{SECRET}/a"}}': "outside itself",
    f'{{"$ref": "#/$defs/{SECRET}"}}': "a reference to nothing",
    f'{{"$ref": "#/$defs/{SECRET}", "$defs": {{"{SECRET}": {{"$ref": "#/$defs/{SECRET}"}}}}}}': "back to itself",
    f'{{"type": "string", "pattern": "(?={SECRET})"}}': "a pattern that",
    f'{{"patternProperties": {{"({SECRET}": {{}}}}}}': "a pattern that",
    f'{{"not": {{"const": "{SECRET}"}}}}': "has not, which",
    f'{{"items": {{"uniqueItems": true, "title": "{SECRET}"}}}}': "uniqueItems",
    f'{{"anyOf": [], "title": "{SECRET}"}}': "anyOf that is no list",
    f'{{"allOf": [{{}}, {{"title": "{SECRET}"}}]}}': "allOf with several",
    f'{{"$ref": "#/$defs/a", "minimum": 3, "$defs": {{"a": {{"title": "{SECRET}"}}}}}}': "beside $ref",
    f'{{"anyOf": [{{}}], "required": ["{SECRET}"]}}': "beside anyOf",
    f'{{"enum": ["{SECRET}"], "minLength": 3}}': "beside enum",
    f'{{"pattern": "{SECRET}", "minLength": 3}}': "minLength beside pattern",
    f'{{"pattern": "{SECRET}", "format": "uuid"}}': "format beside pattern",
    f'{{"properties": {{"a": {{}}}}, "required": ["{SECRET}"]}}': "not among its properties",
    f'{{"minLength": 3, "maxLength": 2, "title": "{SECRET}"}}': "minLength above its maxLength",
    f'{{"items": [{{"title": "{SECRET}"}}]}}': "an inner schema",
}
GRAMMARS = {
    f'root = "{SECRET}"': "of the form",
    f"root ::= '{SECRET}'": "of the form",
    f'root ::= "{SECRET}': "of the form",
    f'{SECRET} ::= "a"': "no rule called root",
    f"root ::= {SECRET}": "does not define",
    f'root ::= ("{SECRET}"': "not closed",
    f'root ::= "{SECRET}")': "not opened",
    f'root ::= {SECRET}\n{SECRET} ::= "a"\n{SECRET} ::= "b"': "twice",
    f"root ::= {SECRET}\n{SECRET} ::= ": "without anything",
    f'"{SECRET}" root ::= "a"': "does not begin with a rule",
    "# " + SECRET: "no rules",
}
BAD = [
    *((GuideKind.REGEX, text, said) for text, said in REGEXES.items()),
    *((GuideKind.JSON, text, said) for text, said in SCHEMAS.items()),
    *((GuideKind.GRAMMAR, text, said) for text, said in GRAMMARS.items()),
]


@pytest.mark.parametrize(("kind", "text", "said"), BAD, ids=range(len(BAD)))
def test_what_is_surely_wrong_is_told_without_the_clients_words(
    kind: GuideKind, text: str, said: str
) -> None:
    error = problem(Guide(kind, text), 65536)
    assert isinstance(error, InvalidRequest)
    assert said in str(error)
    assert str(error).startswith(f"The {kind.value} ")
    assert SECRET not in str(error)


PERSON = {
    "$defs": {"name": {"type": "string", "pattern": "^[A-Z]"}},
    "type": "object",
    "properties": {
        "name": {"$ref": "#/$defs/name", "description": "who", "default": "A"},
        "nick": {
            "anyOf": [{"type": "string", "maxLength": 9}, {"type": "null"}],
            "title": "Nick",
            "default": None,
        },
        "$ref": {"type": ["string", "null"]},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "children": {"type": "array", "items": {"$ref": "#"}},
        "kind": {"type": "string", "enum": [{"$ref": "http://not-a-schema"}, "b"]},
        "either": {"anyOf": [{"const": 3}, {"type": "boolean"}]},
    },
    "required": ["name"],
    "additionalProperties": False,
}
GOOD = [
    (GuideKind.JSON, json.dumps(PERSON)),
    (GuideKind.JSON, "true"),
    (GuideKind.JSON, "{}"),
    *(
        (GuideKind.REGEX, text)
        for text in (
            r"[a-z]+@[a-z]+\.com",
            r"(yes|no)?",
            r"^\d{4}-\d{2}-\d{2}$",
            r"(?:a|b)*?c",
            r"(?<year>\d{4})",
            r"[^\]\\-]+",
            r"[^]",
            r"[\b]",
            r"[\d-z]",
            r"[a\-z-]",
            r"\x41\u0042\u{43}\cA",
            r"()|a|",
            "日本",
            "]}",
        )
    ),
    (GuideKind.GRAMMAR, 'root ::= "yes" | ("no" word{1,3})*\nword ::= [a-z\\]]+ # a "word\n'),
]


@pytest.mark.parametrize(("kind", "text"), GOOD, ids=range(len(GOOD)))
def test_what_is_sound_passes(kind: GuideKind, text: str) -> None:
    assert problem(Guide(kind, text), 65536) is None


@pytest.mark.parametrize("kind", GuideKind)
def test_what_holds_for_every_kind(kind: GuideKind) -> None:
    for text, said in (
        ("", "is empty"),
        (" \n", "is empty"),
        ("é" * 33, "has 66 bytes, the limit is 64 (option guide_max_bytes)"),
        ("a\ud800", "surrogate"),
        ("a\0", "NUL"),
    ):
        error = problem(Guide(kind, text), 64)
        assert said in str(error)


def test_a_schema_has_an_end_to_its_depth() -> None:
    def nested(levels: int) -> str:
        return '{"items":' * levels + "{}" + "}" * levels

    assert problem(Guide(GuideKind.JSON, nested(63)), 65536) is None
    assert "64 levels" in str(problem(Guide(GuideKind.JSON, nested(64)), 65536))
