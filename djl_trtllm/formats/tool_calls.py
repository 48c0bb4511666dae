"""Calls of tools in a chat's text, found while it comes.

What models write (their chat templates and model cards; vLLM and SGLang read the same):

    <tool_call>{"name": "f", "arguments": {...}}</tool_call>       Hermes, Qwen, SmolLM2; also a list inside
    {"name": "f", "parameters": {...}}; {...}                      Llama 3.x, also behind <|python_tag|>
    [TOOL_CALLS] [{"name": "f", "arguments": {...}}]               Mistral
    [TOOL_CALLS]f[ARGS]{...}                                       Mistral since its tokenizer v11
    [{"name": "f", "arguments": {...}}]                            a plain list
    [f(a="b"), g(c=1)]                                             pythonic: Llama 4, Llama 3.2's small ones

The forms without a marker count only at the beginning of a text or behind a call: further on they are prose. What
looks like a call and is none stays text, to the last character. Only white space around calls is dropped, and a
semicolon between them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Protocol

from djl_trtllm.formats.tool_call import Reader, ToolCall
from djl_trtllm.formats.tool_calls_json import JsonCalls, arguments_of, bare
from djl_trtllm.formats.tool_calls_mistral import MistralCalls
from djl_trtllm.formats.tool_calls_pythonic import bracket

_READERS: Mapping[str, Callable[[], Reader]] = {
    "<tool_call>": lambda: JsonCalls("<tool_call>", closing="</tool_call>"),
    "<|python_tag|>": lambda: JsonCalls("<|python_tag|>"),
    "[TOOL_CALLS]": MistralCalls,
}
_MARKER = re.compile("|".join(map(re.escape, _READERS)))
_BEGINNINGS = frozenset(marker[:length] for marker in _READERS for length in range(1, len(marker)))
_SPACE, _BETWEEN = re.compile(r"\s+"), re.compile(r"[\s;]+")
_LONGEST = max(map(len, _BEGINNINGS))
_MOST_MISTAKES = 16
"""Each look at what turns out to be no call may go through the whole text; after so many, nobody looks any more."""

MARKERS = frozenset({*_READERS, "</tool_call>", "[ARGS]", "[CALL_ID]"})
"""What is a special token in some vocabularies and has to reach the parser as text."""


class Parser(Protocol):
    """Text in, text and calls out, in order. How the text is cut into pieces changes nothing but when they come."""

    def feed(self, text: str) -> list[str | ToolCall]:
        """Take more text; return what is certain now."""
        ...

    def finish(self) -> list[str | ToolCall]:
        """Return the rest: the text is complete."""
        ...


class FreeCalls:
    """Text and calls mixed, in any of the forms above. Holds text back only while it could begin a call."""

    __slots__ = ("_after_call", "_beginning", "_found", "_mistakes", "_pending", "_reader", "_space")

    def __init__(self) -> None:
        self._pending = ""
        self._space = ""
        self._reader: Reader | None = None
        self._beginning = True
        self._after_call = False
        self._mistakes = 0
        self._found: list[str | ToolCall] = []

    def feed(self, text: str) -> list[str | ToolCall]:
        """Take more text; return what is certain now."""
        if not self._pending and not self._beginning and "<" not in text and "[" not in text:
            # Prose, as nearly all text is: what `_release` would do.
            text = self._space + text
            certain = text.rstrip()
            self._space = text[len(certain) :]
            return [certain] if certain else []
        self._pending += text
        return self._advance(final=False)

    def finish(self) -> list[str | ToolCall]:
        """Return the rest. White space at the end is text, unless a call stands before it."""
        found = self._advance(final=True)
        if self._space and not self._after_call:
            found.append(self._space)
        self._space = ""
        return found

    def _advance(self, *, final: bool) -> list[str | ToolCall]:
        found = self._found = []
        while self._pending:
            if self._reader is None:
                self._reader = self._next_reader(final=final)
            if self._reader is None:
                break
            outcome = self._reader.read(self._pending, final=final)
            if outcome is None:
                break
            self._reader = None
            if outcome.calls:
                found += outcome.calls
                self._space = ""
                self._beginning = self._after_call = True
                self._pending = self._pending[outcome.length :]
            else:
                self._mistakes += 1
                self._release(outcome.length)
        return found

    def _next_reader(self, *, final: bool) -> Reader | None:
        """Release text up to what could be a call; None when no more can be told of the rest."""
        if self._mistakes >= _MOST_MISTAKES:
            self._release(len(self._pending))
            return None
        if self._beginning:
            self._put_space_aside()
            if self._pending in _BEGINNINGS and not final:
                return None
        match = _MARKER.search(self._pending)
        if self._beginning and (match is None or match.start()):
            reader = bare(self._pending) or bracket(self._pending)
            if reader is not None:
                return reader
        if match is not None:
            self._release(match.start())
            return _READERS[match[0]]()
        self._release(len(self._pending) - (0 if final else _held(self._pending)))
        return None

    def _put_space_aside(self) -> None:
        """White space at the beginning waits; behind a call also what may stand between two."""
        match = (_BETWEEN if self._after_call else _SPACE).match(self._pending)
        if match is not None:
            self._space += match[0]
            self._pending = self._pending[match.end() :]

    def _release(self, length: int) -> None:
        """Give out text; white space at its end waits, as a call may follow."""
        if not length:
            return
        text = self._space + self._pending[:length]
        self._pending = self._pending[length:]
        certain = text.rstrip()
        self._space = text[len(certain) :]
        if certain:
            self._found.append(certain)
            self._beginning = self._after_call = False


class NamedCall:
    """The whole text is the arguments of one function, as it is with `tool_choice` naming one."""

    __slots__ = ("_name", "_text")

    def __init__(self, name: str) -> None:
        self._name = name
        self._text = ""

    def feed(self, text: str) -> list[str | ToolCall]:
        """Keep the text."""
        self._text += text
        return []

    def finish(self) -> list[str | ToolCall]:
        """Return the call, or the text where it is no JSON object."""
        text, self._text = self._text, ""
        if arguments_of(text) is not None:
            return [ToolCall(self._name, text.strip())]
        return [text] if text else []


def _held(text: str) -> int:
    """How many characters at the end of `text` could begin a marker."""
    for length in range(min(_LONGEST, len(text)), 0, -1):
        if text[-length:] in _BEGINNINGS:
            return length
    return 0
