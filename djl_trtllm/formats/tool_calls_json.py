"""Tool calls as JSON: objects or lists of them, with or without a marker in front."""

from __future__ import annotations

import json
import re

from djl_trtllm.formats.balance import Balance
from djl_trtllm.formats.tool_call import Outcome, Reader, ToolCall

_FIRST_KEY = re.compile(r'\{\s*(?:"([^"\\]*)("?)|(\S)|$)')
_KEYS = ("name", "parameters", "arguments", "type", "function", "id")
_SPACE = re.compile(r"\s*")


class JsonCalls:
    """`opening`, a value, `closing`. Behind an opening, arguments may be missing, and so may the closing.

    There may be several values where there is a closing.
    """

    __slots__ = ("_at", "_balance", "_calls", "_closing", "_opening")

    def __init__(self, opening: str, *, closing: str = "") -> None:
        self._opening = opening
        self._closing = closing
        self._calls: list[ToolCall] = []
        self._at = len(opening)
        self._balance: Balance | None = None

    def read(self, text: str, *, final: bool) -> Outcome | None:
        """Read values as long as there are any; text that is none ends them."""
        while True:
            if self._balance is None:
                if self._calls and not self._closing:
                    break
                match = _SPACE.match(text, self._at)
                at = match.end() if match is not None else self._at
                if at == len(text) and not final:
                    return None
                if at == len(text) or text[at] not in "{[":
                    return self._close(text, at, final=final)
                self._balance = Balance(at)
                self._at = at
            end = self._balance.end(text)
            if end is None and not final:
                return None
            if end is None or end < 0:
                break
            calls = calls_of(text[self._at : end], lenient=bool(self._opening))
            if not calls:
                break
            self._calls += calls
            self._at = end
            self._balance = None
        return self._outcome()

    def _close(self, text: str, at: int, *, final: bool) -> Outcome | None:
        closing = self._closing
        if self._calls:
            if text.startswith(closing, at):
                self._at = at + len(closing)
            elif not final and closing.startswith(text[at:]):
                return None
        return self._outcome()

    def _outcome(self) -> Outcome:
        if self._calls:
            return Outcome(self._at, self._calls)
        return Outcome(len(self._opening) or 1)


def bare(text: str) -> Reader | None:
    """Return the reader of a text that could begin an object with a call and nothing in front of it."""
    match = _FIRST_KEY.match(text)
    if match is None or match[3]:
        return None
    key, closed = match[1] or "", match[2]
    fits = key in _KEYS if closed else any(name.startswith(key) for name in _KEYS)
    return _Bare() if fits else None


class _Bare:
    """An object without a marker: it is looked at again until its first key is known."""

    __slots__ = ("_calls",)

    def __init__(self) -> None:
        self._calls = JsonCalls("")

    def read(self, text: str, *, final: bool) -> Outcome | None:
        """Return the call, or the text's first character as text."""
        if bare(text) is None:
            return Outcome(1)
        return self._calls.read(text, final=final)


def calls_of(text: str, *, lenient: bool = False) -> list[ToolCall]:
    """Return the calls of an object or of a list of them; none where one of them is no call.

    Arguments may be missing where that is `lenient`.
    """
    value = _loaded(text)
    calls = [_call(item, lenient=lenient) for item in (value if isinstance(value, list) else [value])]
    return [call for call in calls if call is not None] if None not in calls else []


def arguments_of(value: object) -> str | None:
    """Return arguments as the text of a JSON object; None where they are no object, nor a text of one."""
    if isinstance(value, str):
        return value if isinstance(_loaded(value), dict) else None
    return dumped(value) if isinstance(value, dict) else None


def dumped(value: object) -> str | None:
    """Return a value as JSON that any UTF-8 can carry, None where it cannot be."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError:
        return json.dumps(value, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        return None
    return text


def _call(item: object, *, lenient: bool) -> ToolCall | None:
    if not isinstance(item, dict):
        return None
    function = item.get("function")
    if isinstance(function, dict):
        item = function
    name = item.get("name", function)
    arguments = item.get("arguments", item.get("parameters"))
    if not isinstance(name, str) or not name or not _is_text(name):
        return None
    text = "{}" if arguments is None and lenient else arguments_of(arguments)
    return ToolCall(name, text) if text is not None else None


def _loaded(text: str) -> object:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None


def _refuse(constant: str) -> object:
    raise ValueError(constant)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
