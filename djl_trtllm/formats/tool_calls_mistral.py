"""Tool calls behind Mistral's `[TOOL_CALLS]`."""

from __future__ import annotations

import re

from djl_trtllm.formats.balance import Balance
from djl_trtllm.formats.tool_call import Outcome, Reader, ToolCall
from djl_trtllm.formats.tool_calls_json import JsonCalls, arguments_of

_MARKER = "[TOOL_CALLS]"
_NAMED = re.compile(r"\[TOOL_CALLS\]\s*([\w.\-]+)\s*(?:\[CALL_ID\]\s*[\w\-]*\s*)?\[ARGS\]\s*(?=\{)")
_MOST_NAME = 200
_BEGINNING = re.compile(rf"\[TOOL_CALLS\][\s\w.\-\[\]]{{0,{_MOST_NAME}}}")
_JSON = re.compile(rf"\[TOOL_CALLS\]\s{{0,{_MOST_NAME}}}[\[{{]")


class MistralCalls:
    """`[TOOL_CALLS]` and a JSON list, or a name, `[ARGS]` and the arguments; `[CALL_ID]` between them is skipped."""

    __slots__ = ("_arguments", "_balance", "_json", "_name")

    def __init__(self) -> None:
        self._json: Reader | None = None
        self._balance: Balance | None = None
        self._name = ""
        self._arguments = 0

    def read(self, text: str, *, final: bool) -> Outcome | None:
        """Return the calls, or the marker as text."""
        if self._json is None and _JSON.match(text):
            self._json = JsonCalls(_MARKER)
        if self._json is not None:
            return self._json.read(text, final=final)
        if self._balance is None:
            match = _NAMED.match(text)
            if match is None or match.end() > len(_MARKER) + _MOST_NAME:
                return None if not final and _BEGINNING.fullmatch(text) else Outcome(len(_MARKER))
            self._name, self._arguments = match[1], match.end()
            self._balance = Balance(self._arguments)
        end = self._balance.end(text)
        if end is None and not final:
            return None
        if end is None or end < 0:
            return Outcome(len(_MARKER))
        arguments = arguments_of(text[self._arguments : end])
        if arguments is None:
            return Outcome(len(_MARKER))
        return Outcome(end, [ToolCall(self._name, arguments)])
