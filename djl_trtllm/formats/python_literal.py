"""Literals of Python, and of JSON, read one by one.

`ast.literal_eval` would do, but it warns on standard error with the text it was given, and deep nesting can crash it.
"""

from __future__ import annotations

import re

_MOST_DEPTH = 64
_SPACE = re.compile(r"\s*")
_NAME = re.compile(r"[A-Za-z_][\w.]*")
_NUMBER = re.compile(r"[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")
_STRING = re.compile(r"""\"((?:[^"\\]|\\.)*)\"|'((?:[^'\\]|\\.)*)'""", re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": "", **{c: c for c in "\\'\"/"}}
_WORDS = {"True": True, "true": True, "False": False, "false": False, "None": None, "null": None}


class NotLiteral(Exception):
    """The text is something else."""


class Literals:
    """A text and how far it was read. Everything raises `NotLiteral` where it does not find what it should."""

    __slots__ = ("_at", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def accept(self, symbol: str) -> bool:
        """Read a symbol if it comes next."""
        self._match(_SPACE)
        if not self._text.startswith(symbol, self._at):
            return False
        self._at += len(symbol)
        return True

    def expect(self, symbol: str) -> None:
        """Read a symbol."""
        if not self.accept(symbol):
            raise NotLiteral

    def expect_end(self) -> None:
        """There is no more."""
        self._match(_SPACE)
        if self._at != len(self._text):
            raise NotLiteral

    def name(self) -> str:
        """Read a name, dots included."""
        self._match(_SPACE)
        name = self._match(_NAME)
        if name is None:
            raise NotLiteral
        return name[0]

    def value(self, depth: int = 0) -> object:
        """Read a string, a number, a word, a list, a tuple or a dict with strings as keys."""
        if depth > _MOST_DEPTH:
            raise NotLiteral
        for opening, closing in ("[]", "()"):
            if self.accept(opening):
                return self._items(closing, depth)
        if self.accept("{"):
            return self._pairs(depth)
        return self._scalar()

    def _items(self, closing: str, depth: int) -> list[object]:
        items: list[object] = []
        while not self.accept(closing):
            items.append(self.value(depth + 1))
            if not self.accept(","):
                self.expect(closing)
                break
        return items

    def _pairs(self, depth: int) -> dict[str, object]:
        pairs: dict[str, object] = {}
        while not self.accept("}"):
            key = self._scalar()
            self.expect(":")
            if not isinstance(key, str):
                raise NotLiteral
            pairs[key] = self.value(depth + 1)
            if not self.accept(","):
                self.expect("}")
                break
        return pairs

    def _scalar(self) -> object:
        self._match(_SPACE)
        string = self._match(_STRING)
        if string is not None:
            return _ESCAPE.sub(_unescaped, string[1] if string[1] is not None else string[2])
        number = self._match(_NUMBER)
        if number is not None:
            return _number(number[0])
        word = self._match(_NAME)
        if word is None or word[0] not in _WORDS:
            raise NotLiteral
        return _WORDS[word[0]]

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
        return match


def _number(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError as error:
        raise NotLiteral from error


def _unescaped(match: re.Match[str]) -> str:
    escape = match[1]
    if len(escape) > 1:
        code = int(escape[1:], 16)
        return chr(code) if code <= 0x10FFFF else match[0]
    return _ESCAPED.get(escape, match[0])
