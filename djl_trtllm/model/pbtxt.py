"""Protobuf text format, as Triton's config.pbtxt files use it: `name: value`, `name { ... }` and lists.

A `${...}` placeholder, which Triton's templates hold until they are filled in, is read as no value at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_WORD = re.compile(
    r"""(?P<skip>\s+|\#[^\n]*)
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<hole>\$\{[^}\n]*\})
      | (?P<word>[-+]?[A-Za-z0-9_.][A-Za-z0-9_.+/-]*)
      | (?P<sign>[:{}<>\[\],;])
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_CLOSING = {"{": "}", "<": ">"}
_DEEPEST = 64


@dataclass(slots=True)
class Message:
    """Fields in their order. `values` are texts, whatever the schema calls them; `messages` are nested ones."""

    values: dict[str, list[str]] = field(default_factory=dict)
    messages: dict[str, list[Message]] = field(default_factory=dict)

    def value(self, name: str) -> str | None:
        """Return the last value of a field, which is what counts; None where it is not set."""
        found = self.values.get(name)
        return found[-1] if found else None


@dataclass(slots=True)
class _Word:
    kind: str
    text: str
    line: int


def parse(text: str) -> Message:
    """Parse a whole file; ValueError names the line."""
    words = [*_words(text), _Word("end", "", text.count("\n") + 1)]
    message, rest = _message(words, 0, "", 0)
    if rest != len(words) - 1:
        raise _unexpected(words[rest])
    return message


def _words(text: str) -> Iterator[_Word]:
    at, line = 0, 1
    while at < len(text):
        match = _WORD.match(text, at)
        if match is None or match.lastgroup is None:
            raise ValueError(f"line {line}: {text[at : at + 20].split(chr(10))[0]!r} is not understood")
        if match.lastgroup != "skip":
            yield _Word(match.lastgroup, match[0], line)
        line += match[0].count("\n")
        at = match.end()


def _message(words: list[_Word], at: int, closing: str, depth: int) -> tuple[Message, int]:
    """Read fields up to `closing`; return them and the place of that word."""
    if depth > _DEEPEST:
        raise ValueError(f"line {words[at].line}: messages are nested more than {_DEEPEST} deep")
    message = Message()
    while words[at].kind == "word":
        name = words[at].text
        at += 1
        colon = words[at].text == ":" and words[at].kind == "sign"
        at = _field(words, at + colon, message, name, depth, colon=colon)
        if words[at].kind == "sign" and words[at].text in ",;":
            at += 1
    if words[at].kind == "end" and closing:
        raise ValueError(f"line {words[at].line}: the file ends and {closing!r} is missing")
    if words[at].kind != "end" and words[at].text != closing:
        raise _unexpected(words[at])
    return message, at


def _field(words: list[_Word], at: int, message: Message, name: str, depth: int, *, colon: bool) -> int:
    """Read what follows a field's name, and return the place after it."""
    word = words[at]
    if word.kind == "sign" and word.text in _CLOSING:
        inner, at = _message(words, at + 1, _CLOSING[word.text], depth + 1)
        message.messages.setdefault(name, []).append(inner)
        return at + 1
    if word.kind == "sign" and word.text == "[":
        at += 1
        while words[at].text != "]" or words[at].kind != "sign":
            if words[at].kind == "sign" and words[at].text == "[":  # a list holds no lists
                raise _unexpected(words[at])
            at = _field(words, at, message, name, depth, colon=True)
            if words[at].kind == "sign" and words[at].text == ",":
                at += 1
            elif words[at].text != "]":
                raise _unexpected(words[at])
        return at + 1
    if not colon or word.kind not in ("text", "word", "hole"):
        raise _unexpected(word)
    return _scalar(words, at, message, name)


def _scalar(words: list[_Word], at: int, message: Message, name: str) -> int:
    if words[at].kind != "text":
        value, at = (words[at].text if words[at].kind == "word" else "${}"), at + 1
    else:
        parts = []
        while words[at].kind == "text":  # neighbours are one text, as in C
            parts.append(_ESCAPE.sub(_unescaped, words[at].text[1:-1]))
            at += 1
        value = "".join(parts)
    if "${" not in value:
        message.values.setdefault(name, []).append(value)
    return at


def _unescaped(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] == "x" and len(code) > 1:
        return chr(int(code[1:], 16))
    return chr(int(code, 8)) if code[0] in "01234567" else _ESCAPED.get(code, code)


def _unexpected(word: _Word) -> ValueError:
    what = "the file ends too early" if word.kind == "end" else f"{word.text[:40]!r} is not expected here"
    return ValueError(f"line {word.line}: {what}")
