"""Where a bracketed value ends, in text that is still growing."""

from __future__ import annotations

import re

_CLOSES = {"{": "}", "[": "]", "(": ")"}


class Balance:
    """Finds the end of the value that begins at `start`. Looks at every character once, however often it is asked."""

    __slots__ = ("_at", "_open", "_outside", "_quote")

    def __init__(self, start: int, quotes: str = '"') -> None:
        self._at = start
        self._open: list[str] = []
        self._quote = ""
        self._outside = _OUTSIDE[quotes]

    def end(self, text: str) -> int | None:
        """Return the index behind the value, None while it is open, -1 where brackets do not match."""
        while True:
            found = self._inside(text) if self._quote else self._bracket(text)
            if found == 0:
                return None
            if found < 0:
                return -1
            if not self._open:
                return self._at

    def _inside(self, text: str) -> int:
        """Go on to the end of a string: 1 for progress, 0 where the text ends."""
        match = _IN_QUOTES[self._quote].search(text, self._at)
        if match is None:
            self._at = len(text)
            return 0
        if match[0] == "\\":
            if match.end() == len(text):
                self._at = match.start()
                return 0
            self._at = match.end() + 1
        else:
            self._at = match.end()
            self._quote = ""
        return 1

    def _bracket(self, text: str) -> int:
        """Go on to the next bracket or string: 1 for progress, 0 at the text's end, -1 for a wrong bracket."""
        match = self._outside.search(text, self._at)
        if match is None:
            self._at = len(text)
            return 0
        self._at = match.end()
        found = match[0]
        if found in _IN_QUOTES:
            self._quote = found
        elif found[0] in _IN_QUOTES:
            pass
        elif found in _CLOSES:
            self._open.append(_CLOSES[found])
        elif not self._open or self._open.pop() != found:
            return -1
        return 1


_IN_QUOTES = {'"': re.compile(r'["\\]'), "'": re.compile(r"['\\]")}

# A string that is whole already is passed over at once.
_STRINGS = {quote: rf"{quote}[^{quote}\\]*(?:\\.[^{quote}\\]*)*{quote}|{quote}" for quote in _IN_QUOTES}
_OUTSIDE = {
    quotes: re.compile("|".join([r"[{}\[\]()]", *(_STRINGS[quote] for quote in quotes)]), re.DOTALL)
    for quotes in ('"', "\"'")
}
