"""Tool calls as a Python list of calls, and the lists that begin like one. Nothing is ever evaluated."""

from __future__ import annotations

import re

from djl_trtllm.formats.balance import Balance
from djl_trtllm.formats.python_literal import Literals, NotLiteral
from djl_trtllm.formats.tool_call import Outcome, Reader, ToolCall
from djl_trtllm.formats.tool_calls_json import JsonCalls, dumped

_JSON = re.compile(r"\[\s*\{")
_CALLS = re.compile(r"\[\s*[A-Za-z_][\w.]*\s*\(")
_BEGINNING = re.compile(r"\[\s*(?:[A-Za-z_][\w.]*\s*)?")


def bracket(text: str) -> Reader | None:
    """Return the reader of a text that could begin a list of calls."""
    if _JSON.match(text) or _CALLS.match(text) or _BEGINNING.fullmatch(text):
        return ListCalls()
    return None


class ListCalls:
    """A list at the beginning of a text: of JSON objects, or of Python calls."""

    __slots__ = ("_balance", "_json")

    def __init__(self) -> None:
        self._json: Reader | None = None
        self._balance: Balance | None = None

    def read(self, text: str, *, final: bool) -> Outcome | None:
        """Return the calls, or the bracket as text."""
        if self._json is None and self._balance is None:
            if _JSON.match(text):
                self._json = JsonCalls("")
            elif _CALLS.match(text):
                self._balance = Balance(0, quotes="\"'")
            else:
                return None if not final and _BEGINNING.fullmatch(text) else Outcome(1)
        if self._json is not None:
            return self._json.read(text, final=final)
        end = self._balance.end(text) if self._balance is not None else -1
        if end is None and not final:
            return None
        if end is None or end < 0:
            return Outcome(1)
        calls = python_calls(text[:end])
        return Outcome(end, calls) if calls else Outcome(1)


def python_calls(text: str) -> list[ToolCall]:
    """Return the calls of `[f(a="b"), g(c=1)]`: named arguments that are literals. None where it is anything else."""
    literals = Literals(text)
    calls = []
    try:
        literals.expect("[")
        while not literals.accept("]"):
            name = literals.name()
            arguments = dumped(_arguments(literals))
            if arguments is None:
                return []
            calls.append(ToolCall(name, arguments))
            if not literals.accept(","):
                literals.expect("]")
                break
        literals.expect_end()
    except NotLiteral:
        return []
    return calls


def _arguments(literals: Literals) -> dict[str, object]:
    arguments: dict[str, object] = {}
    literals.expect("(")
    while not literals.accept(")"):
        key = literals.name()
        literals.expect("=")
        arguments[key] = literals.value()
        if not literals.accept(","):
            literals.expect(")")
            break
    return arguments
