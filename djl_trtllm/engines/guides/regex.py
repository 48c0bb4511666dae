r"""What of regular expressions can be enforced token by token, as xgrammar 0.2.8 takes them (observed).

No lookaround, no backreference, no `\b`, no `\p{...}`, no flags, no possessive quantifiers. What it would ignore with a
warning (`^` inside, `\A`) is refused too: the answer would not be what was asked for.
"""

from __future__ import annotations

import re

_COUNT = re.compile(r"\{(\d+)(,(\d*))?\}")
_CODE = re.compile(
    r"\\(?:x(?:[0-9a-fA-F]{2}|\{[0-9a-fA-F]{1,6}\})|u(?:[0-9a-fA-F]{4}|\{[0-9a-fA-F]{1,6}\})|c[A-Za-z])"
)
_NAME = re.compile(r"\(\?<[A-Za-z_]\w*>")

MOST = 100_000
"""Characters that an expression may stand for when its counts are written out; older releases write them out."""

_CANNOT = "cannot be enforced while an answer is made"


class _Wrong(Exception):
    """What is wrong, for a sentence that begins with the expression."""


def problem(text: str) -> str | None:
    """Say what is wrong with a regular expression, None where nothing is seen."""
    try:
        _Reader(text).read()
    except _Wrong as wrong:
        return str(wrong)
    return None


class _Reader:
    """Goes through the text once. `_last` is the size of what a quantifier would repeat, 0 where there is nothing."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._sizes = [0]
        self._last = 0
        self._repeated = False

    def read(self) -> None:
        while self._at < len(self._text):
            self._step(self._text[self._at])
            if self._sizes[-1] > MOST:
                raise _Wrong(f"stands for more than {MOST} characters when its counts are written out")
        if len(self._sizes) > 1:
            raise _Wrong("has a parenthesis that is not closed")

    def _step(self, char: str) -> None:
        if char == "\\":
            self._at += len(escape(self._text, self._at))
            self._atom(1)
        elif char == "[":
            self._at = _class_end(self._text, self._at)
            self._atom(1)
        elif char == "(":
            self._open()
        elif char == ")":
            self._close()
        elif char == "|":
            self._at += 1
            self._fresh()
        elif char in "*+?{":
            self._repeat(char)
        elif char in "^$":
            self._anchor(char)
        else:
            self._at += 1
            self._atom(1)

    def _atom(self, size: int) -> None:
        self._sizes[-1] += size
        self._last, self._repeated = size, False

    def _fresh(self) -> None:
        self._last, self._repeated = 0, False

    def _open(self) -> None:
        start = 1
        if self._text.startswith("(?", self._at):
            start = self._group()
        self._at += start
        self._sizes.append(0)
        self._fresh()

    def _group(self) -> int:
        kind = self._text[self._at + 2 : self._at + 4]
        if kind[:1] in ("=", "!") or kind in ("<=", "<!"):
            raise _Wrong(f"looks ahead or behind, which {_CANNOT}")
        if kind.startswith(":"):
            return 3
        named = _NAME.match(self._text, self._at)
        if named is None:
            raise _Wrong(
                "has a group with a flag or a condition; only (...), (?:...) and (?<name>...) are taken"
            )
        return len(named[0])

    def _close(self) -> None:
        if len(self._sizes) == 1:
            raise _Wrong("closes a parenthesis that was not opened")
        self._at += 1
        self._atom(max(self._sizes.pop(), 1))

    def _repeat(self, char: str) -> None:
        if char == "?" and self._repeated and self._last:
            self._at += 1
            self._last = 0  # lazy: nothing may repeat it again
            return
        if self._repeated:
            raise _Wrong("has two quantifiers in a row")
        if not self._last:
            raise _Wrong("repeats nothing: a quantifier follows no character or group")
        times = 1
        if char == "{":
            times = self._counted()
        else:
            self._at += 1
        self._sizes[-1] += self._last * (times - 1)
        self._last *= times
        self._repeated = True

    def _counted(self) -> int:
        match = _COUNT.match(self._text, self._at)
        if match is None:
            raise _Wrong("has a { that begins no count such as {2} or {2,5}; write \\{ for the character")
        self._at = match.end()
        if any(len(digits or "") > 6 for digits in (match[1], match[3])):
            raise _Wrong(f"stands for more than {MOST} characters when its counts are written out")
        least = int(match[1])
        most = int(match[3]) if match[3] else least
        if most < least:
            raise _Wrong("has a count whose lower bound is above the upper one")
        return max(most, 1)

    def _anchor(self, char: str) -> None:
        self._at += 1
        after = self._text[self._at : self._at + 1]
        inside = self._last or self._repeated if char == "^" else after not in ("", "|", ")")
        if inside:
            raise _Wrong(f"has {char} where no answer could match it")


def escape(text: str, at: int) -> str:
    """Return the escape sequence that begins at a backslash. Raises `_Wrong` for what cannot be enforced."""
    kind = text[at + 1 : at + 2]
    if not kind:
        raise _Wrong("ends in the middle of an escape")
    if kind in "123456789k":
        raise _Wrong(f"refers back to a group, which {_CANNOT}")
    if kind in "bB":
        raise _Wrong(f"has a word boundary, which {_CANNOT}")
    if kind in "pP":
        raise _Wrong(f"has a class of Unicode properties, which {_CANNOT}")
    if kind in "AZzG":
        raise _Wrong("has an anchor besides ^ and $; an expression holds for the whole answer anyway")
    if kind in "xuc":
        code = _CODE.match(text, at)
        if code is None:
            raise _Wrong("has an escape of a character code that is not complete")
        return code[0]
    return text[at : at + 2]


def _class_end(text: str, at: int) -> int:
    at += 1
    negated = text.startswith("^", at)
    at += negated
    if text.startswith("]", at) and not negated:
        raise _Wrong("has an empty class of characters")
    before: str | None = None
    while at < len(text) and text[at] != "]":
        if text[at] == "-" and before is not None and text[at + 1 : at + 2] not in ("", "]", "\\"):
            if text[at + 1] < before:
                raise _Wrong("has a range of characters whose lower bound is above the upper one")
            at, before = at + 2, None
            continue
        step = escape(text, at) if text[at] == "\\" and text[at + 1 : at + 2] != "b" else text[at : at + 1]
        before = step if len(step) == 1 else None
        at += 2 if step == "\\" else len(step)
    if at >= len(text):
        raise _Wrong("has a class of characters that is not closed")
    return at + 1
