"""Why the library refused a guide, in words that quote nothing of it: its own messages repeat parts of a schema."""

from __future__ import annotations

import re

_REGEX = re.compile(r"Regex parsing (?:error|warning) at position (\d+): ([^\n]*)")
_EBNF = re.compile(r"EBNF (?:lexer|parser) error at line (\d+), column (\d+): ([^\n]*)")
_JSON = re.compile(r"syntax error at line (\d+)")

# What a message of the library begins with, and what is said for it. Only what quotes nothing is here.
_KNOWN = (
    ("The parenthesis is not closed", "a parenthesis is not closed"),
    ("Lookahead is not supported", "there is no lookahead here"),
    ("Lookbehind is not supported", "there is no lookbehind here"),
    ("Backreference is not supported", "there are no backreferences here"),
    ("Word boundary is not supported", "there are no word boundaries here"),
    ("Unicode character class", "there are no Unicode classes here"),
    ("Group modifier flag", "there are no group flags or named groups here"),
    ("Invalid character class", "a character class is not valid"),
    ("The root rule with name", "it has no rule named root"),
    ("Expect element", "an element is missing"),
)
_SCHEMA = (
    ("cannot accept any value", "it or a part of it is false, which no value satisfies"),
    ("Schema should be an object or bool", "it or a part of it is neither an object nor true"),
    ("Unsupported type", "a type in it is not one of JSON's"),
    ("Type should be a string", "a type in it is not a string"),
    ("Cannot find field", "a $ref in it leads nowhere"),
    ("is greater than maxLength", "a minLength in it is above its maxLength"),
    ("minimum greater than maximum", "a minimum in it is above its maximum"),
    ("minItems is greater than", "a minItems in it is above what the array can have"),
    ("Integer exceeds", "an integer in it does not fit 64 bits"),
)


def reason(message: str) -> str:
    """Return what completes "It cannot be enforced: ...", or "" when all that could be said would quote."""
    found = _REGEX.search(message)
    if found is not None:
        said = _said(found[2])
        return f"at character {found[1]} of its expression{': ' + said if said else ''}"
    for sign, said in _SCHEMA:
        if sign in message:
            return said
    found = _EBNF.search(message)
    if found is not None:
        said = _said(found[3])
        return f"at line {found[1]}, column {found[2]}{': ' + said if said else ''}"
    found = _JSON.search(message)
    return f"it is not JSON, at line {found[1]}" if found is not None else ""


def _said(words: str) -> str:
    if re.fullmatch(r'Rule "[^"]*" is not defined.*', words):
        return "a rule is not defined"
    if re.fullmatch(r'Rule "[^"]*" is defined multiple times.*', words):
        return "a rule is defined twice"
    return next((said for sign, said in _KNOWN if words.startswith(sign)), "")
