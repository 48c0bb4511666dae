"""Which behaviour stands behind which symbol.

A generated class (`generate.py`) checks a call against the row's signature, records it, and forwards it here.

**A class** is given a behaviour class:

    @behaviour("tensorrt_llm.bindings.executor.Executor")
    class Executor:
        def __init__(self, context, *, model_path=None, model_type=None, executor_config=None, **others): ...
        def await_responses(self, *, timeout=None, id=None, ids=None): ...     # an instance method of the row
        @classmethod
        def from_dir(cls, context, *, engine_dir, rank): ...                   # a class or static method of the row
        @property
        def engine(self): ...                                                  # an attribute of the row

Arguments always arrive by keyword, defaults of the row filled in (of the overload that took the call, so give all of
them defaults here), extra keywords of a `**kwargs` signature among them. A method the row does not have is never
called; a method the row has and the behaviour lacks returns None (`__enter__` returns the object). What
`__init__` or a class method is given as `context` is a `Context`. Async methods return an awaitable.

An attribute of the row is read from the behaviour where it has one of that name, otherwise it is the value given to
the constructor or set since; the generated object checks the type of what is set and refuses read-only ones.

Three hooks more: `get_other(name)` and `set_other(name, value)` take attributes that the row does not name, and
`plain()` returns values to add where the object is recorded.

**A function** is given one: `@behaviour("tensorrt_llm.builder.build") def build(context, *, model, build_config)`.

A pattern (`tensorrt_llm.models.*`) stands for symbols without an entry of their own. The first import of this module's
siblings is done by `everything()`, which lists them by name: add yours there.

Helpers in `Context`: `context.library` (the installed row: `.row`, `.version`, `.has(path)`, `.symbol(path)`,
`.record(path, **values)` makes an instance without the constructor's checks and drops values the row has no
attribute for, `.knobs`, `.rank`, `.world`), `context.shell` (the object the user holds), `context.symbol` (full name),
`context.trip(stage, rank=None)` lets an injected fault happen. `behind(obj)` is the behaviour of an object.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tests.contract.tensorrt_llm_stand_in.library import Library

T = TypeVar("T")

MODULES = (
    "build",
    "build_config",
    "engine",
    "mapping",
    "model",
    "plugin_config",
    "pretrained_config",
    "quant_config",
    "executor",
    "gpt_manager",
    "guided",
    "inference_request",
    "llm",
    "llm_guided",
)
"""Modules of this package with behaviours; those that do not exist are passed over."""

_exact: dict[str, Any] = {}
_patterns: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Context:
    """What a behaviour is told besides the arguments of the call."""

    library: Library
    symbol: str
    cls: Any = None
    shell: Any = None

    def trip(self, stage: str, rank: int | None = None) -> None:
        """Let a fault happen that the environment injects at `stage` on `rank` (default: the process's rank)."""
        self.library.faults.trip(stage, self.library.rank if rank is None else rank)


def behaviour(*symbols: str) -> Callable[[T], T]:
    """Put a class or function behind symbols, by full name or by pattern."""

    def register(implementation: T) -> T:
        for symbol in symbols:
            (_patterns if "*" in symbol else _exact)[symbol] = implementation
        return implementation

    return register


def behaviour_of(symbol: str) -> Any:
    """Return what stands behind a symbol, None where it is a plain record."""
    if symbol in _exact:
        return _exact[symbol]
    return next((found for pattern, found in _patterns.items() if fnmatchcase(symbol, pattern)), None)


def behind(shell: Any) -> Any:
    """Return the behaviour of an object of a generated class, None where it has none."""
    return object.__getattribute__(shell, "_behaviour")


def everything() -> None:
    """Import every module of behaviours."""
    for name in MODULES:
        module = f"{__package__}.{name}"
        if importlib.util.find_spec(module) is not None:
            importlib.import_module(module)
