"""Java's .properties files, read and written."""

from __future__ import annotations

import re
from collections.abc import Mapping

_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|.)", re.DOTALL)
_PAIR = re.compile(r"(?P<key>(?:\\.|[^ \t\f=:\\])+)[ \t\f]*[=:]?[ \t\f]*(?P<value>.*)", re.DOTALL)
_LINE_END = re.compile(r"\r\n|\r|\n")
_BLANKS = " \t\f"
"""What Java skips around a key; other blanks belong to it. Its lines end at nothing but CR and LF."""
_NAMED = {"n": "\n", "t": "\t", "r": "\r", "f": "\f"}


def parse(text: str) -> dict[str, str]:
    """Return the pairs of a .properties text, as java.util.Properties reads it; a later key wins.

    Values keep trailing spaces in Java, where they have surprised many; here they go, as DJL-Serving trims them.
    """
    pairs: dict[str, str] = {}
    for line in _logical_lines(text):
        if found := _PAIR.fullmatch(line):
            pairs[_unescape(found["key"])] = _unescape(found["value"]).strip()
    return pairs


def render(pairs: Mapping[str, str]) -> str:
    """Return a .properties text that reads back as `pairs`."""
    return "".join(f"{_escape(key, True)}={_escape(value, False)}\n" for key, value in pairs.items())


def _logical_lines(text: str) -> list[str]:
    lines: list[str] = []
    carried = ""
    for raw in _LINE_END.split(text):
        line = raw.lstrip(_BLANKS)
        if not carried and (not line or line[0] in "#!"):
            continue
        line = carried + line
        backslashes = len(line) - len(line.rstrip("\\"))
        if backslashes % 2:
            carried = line[:-1]
            continue
        lines.append(line)
        carried = ""
    return [*lines, carried] if carried else lines


def _unescape(text: str) -> str:
    def plain(found: re.Match[str]) -> str:
        body = found[1]
        return chr(int(body[1:], 16)) if len(body) == 5 else _NAMED.get(body, body)

    # Java writes a character beyond U+FFFF as two escapes.
    return _ESCAPE.sub(plain, text).encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def _escape(text: str, key: bool) -> str:
    text = text.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    if key:
        text = re.sub(r"([ =:#!])", r"\\\1", text)
    elif text.startswith(" "):
        text = "\\" + text
    return "".join(c if c.isascii() and c.isprintable() else _units(c) for c in text)


def _units(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
