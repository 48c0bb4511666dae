"""jinja2's sandbox as transformers sets it up, with a price on everything that can repeat or grow."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from jinja2 import ext, nodes, sandbox
from jinja2.runtime import LoopContext, Macro
from markupsafe import Markup

from djl_trtllm.text import template_budget as budget
from djl_trtllm.text import template_growth as growth
from djl_trtllm.text import template_meter

_FREE = frozenset(
    ("abs", "attr", "count", "d", "default", "e", "escape", "first", "last", "length", "random", "safe")
)
"""Filters that cost the same whatever they are given, or no more than their result does."""

_PRICES = {
    **dict.fromkeys(("capitalize", "center", "float", "indent", "int", "lower"), budget.CHARACTER),
    **dict.fromkeys(("replace", "string", "trim", "upper"), budget.CHARACTER),
    **dict.fromkeys(("forceescape", "format", "tojson", "truncate", "urlencode"), 10 * budget.CHARACTER),
}
"""Units for a character of a text. For any other filter a text is a list of characters."""

_LOOKING = (
    *("eq", "==", "equalto", "ne", "!=", "in", "lower", "upper"),
    *("lt", "lessthan", "<", "le", "<=", "gt", "greaterthan", ">", "ge", ">="),
)
"""Tests that look through what they are given."""


class Sandbox(sandbox.ImmutableSandboxedEnvironment):
    """Templates compiled here can be rendered inside `template_budget.rendering` only."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self, extensions: list[type[ext.Extension]]) -> None:
        # No autoescape: a prompt is no HTML.
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=extensions, finalize=_shown)
        del self.globals["lipsum"]  # text of any length, which no prompt needs

    def put_prices(self) -> None:
        """Put the price on the filters and tests there are now."""
        for name, function in self.filters.items():
            self.filters[name] = _metered(name, function)
        for name in _LOOKING:
            self.tests[name] = _looking(self.tests[name])
        self.filters.update(**template_meter.FILTERS)

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        return template_meter.metered(tree, self)

    def call(self, context: Any, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Call what a template calls: a macro, a method, a global function."""
        budget.spend(budget.STEP)
        method = getattr(function, "__wrapped__", function)
        owner = getattr(method, "__self__", None)
        if isinstance(function, (LoopContext, Macro)):
            budget.spend(budget.BODY)
        if isinstance(function, LoopContext):
            args = (budget.steps(args[0]), *args[1:])  # a recursive loop
        if isinstance(owner, (list, tuple, range)):
            budget.worked_through(owner)
        if isinstance(owner, (str, bytes, int)):
            return self._call_method(context, function, method.__name__, owner, args, kwargs)
        return budget.made(super().call(context, function, *args, **kwargs))

    def _call_method(
        self,
        context: Any,
        function: Any,
        name: str,
        owner: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Any:
        for value in (owner, *args):
            budget.worked_through(value)
        if isinstance(owner, str) and name in ("format", "format_map"):
            return self._format(owner, *((), *args) if name == "format_map" else (args, kwargs))
        if name == "join" and args:
            args = (list(args[0]), *args[1:])
        if name in growth.METHODS:
            budget.fits(growth.METHODS[name](owner, *args, **kwargs))
        result = super().call(context, function, *args, **kwargs)
        if not isinstance(result, (str, bytes)):
            budget.worked_through(result)
        return budget.made(result)

    def _format(self, text: str, args: Any, kwargs: Any) -> str:
        if isinstance(text, Markup):
            return type(text)(_EscapeFormatter(self, escape=text.escape).vformat(str(text), args, kwargs))
        return _Formatter(self).vformat(text, args, kwargs)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Do what an operator does."""
        if operator == "+":
            budget.fits(budget.size(left) + budget.size(right))
        elif operator == "%" and isinstance(left, (str, bytes)):
            budget.fits(growth.printf(left, right))
        elif operator == "**":
            if abs(left) > 2**31 or abs(right) > 64:
                raise budget.TooLong
        elif operator == "*":
            for repeated, times in ((left, right), (right, left)):
                if isinstance(times, int) and not isinstance(repeated, (int, float)):
                    budget.fits(budget.size(repeated) * times)
            if isinstance(left, int) and isinstance(right, int):
                budget.fits((budget.size(left) + budget.size(right)) * 2**10)
        return budget.made(super().call_binop(context, operator, left, right))


class _Formatter(sandbox.SandboxedFormatter):
    length = 0

    def format_field(self, value: Any, format_spec: str) -> Any:
        budget.fits(growth.field(format_spec))
        text = super().format_field(value, format_spec)
        self.length += len(text)
        budget.fits(self.length)
        budget.spend(budget.STEP + budget.CHARACTER * len(text))
        return text


class _EscapeFormatter(_Formatter, sandbox.SandboxedEscapeFormatter):
    pass


def _shown(value: Any) -> Any:
    """Pay for what an expression writes, also inside a block whose text is not written at once."""
    text = value if isinstance(value, str) else str(value)
    budget.fits(len(text))
    budget.spend(budget.STEP + len(text) // 4)
    return text


def _metered(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that pays for its value and for its result."""
    first = 1 if hasattr(function, "jinja_pass_arg") else 0
    price, most = _PRICES.get(name, budget.ITEM), growth.FILTERS.get(name)

    @functools.wraps(function)
    def metered(*args: Any, **kwargs: Any) -> Any:
        given = args[first:]
        budget.spend(budget.STEP)
        if name not in _FREE:
            budget.worked_through(given[0], price)
        if name == "format":
            budget.fits(growth.printf(given[0], given[1:] or kwargs))
        if most is not None:
            budget.fits(most(*given, **kwargs))
        result = budget.made(function(*args, **kwargs))
        if price > budget.CHARACTER:
            budget.worked_through(result, budget.CHARACTER)
        return result

    return metered


def _looking(function: Any) -> Callable[..., Any]:
    def metered(*values: Any) -> Any:
        for value in values:
            budget.looked_through(value)
        return function(*values)

    return metered
