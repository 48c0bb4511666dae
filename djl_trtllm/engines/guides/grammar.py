"""What an EBNF grammar must have, as xgrammar 0.2.8 reads it (observed): `name ::= ...`, a rule called root."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*)
    |(?P<string>"(?:[^"\\\n]|\\.)*")
    |(?P<class>\[(?:[^\]\\]|\\.)*\])
    |(?P<count>\{\s*\d+\s*(?:,\s*\d*\s*)?\})
    |(?P<name>[A-Za-z_][A-Za-z0-9_.\-]*)
    |(?P<mark>::=|\(=|[()|*+?])""",
    re.VERBOSE,
)


def problem(text: str) -> str | None:
    """Say what is wrong with a grammar, None where nothing is seen."""
    tokens = _tokens(text)
    if tokens is None:
        return "is not of the form: name ::= ..., with texts in double quotes"
    if not tokens:
        return "has no rules"
    return _parentheses(tokens) or _rules(tokens)


def _tokens(text: str) -> list[tuple[str, str]] | None:
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        if match.lastgroup != "blank":
            tokens.append((str(match.lastgroup), match[0]))
        at = match.end()
    return tokens


def _parentheses(tokens: list[tuple[str, str]]) -> str | None:
    depth = 0
    for _, text in tokens:
        depth += text in ("(", "(=")
        depth -= text == ")"
        if depth < 0:
            return "closes a parenthesis that was not opened"
    return "has a parenthesis that is not closed" if depth else None


def _rules(tokens: list[tuple[str, str]]) -> str | None:
    follow = [text for _, text in tokens[1:]] + [""]
    defined = [
        text for (kind, text), after in zip(tokens, follow, strict=True) if kind == "name" and after == "::="
    ]
    # A name before a parenthesis is one of the library's own macros.
    used = {
        text
        for (kind, text), after in zip(tokens, follow, strict=True)
        if kind == "name" and after not in ("::=", "(")
    }
    if tokens[0][0] != "name" or follow[0] != "::=":
        return "does not begin with a rule"
    if "root" not in defined:
        return "has no rule called root"
    if len(set(defined)) < len(defined):
        return "defines a rule twice"
    if not used <= set(defined):
        return "uses a rule that it does not define"
    starts = [number for number, (_, text) in enumerate(tokens) if text == "::="]
    ends = [*(start - 1 for start in starts[1:]), len(tokens)]
    if any(end - start < 2 for start, end in zip(starts, ends, strict=True)):
        return "has a rule without anything in it"
    return None
