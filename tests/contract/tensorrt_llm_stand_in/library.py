"""One installed version: its symbols, where the defaults of its arguments come from, and what tests see of it."""

from __future__ import annotations

import ast
import copy
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

from tests.contract.tensorrt_llm_stand_in import rows
from tests.contract.tensorrt_llm_stand_in.annotations import Find
from tests.contract.tensorrt_llm_stand_in.faults import Faults
from tests.contract.tensorrt_llm_stand_in.knobs import Knobs
from tests.contract.tensorrt_llm_stand_in.recorder import Recorder
from tests.contract.tensorrt_llm_stand_in.shell import Shell, blank
from tests.contract.tensorrt_llm_stand_in.signature import Overload, bind

PREFERRED = (".modeling_utils", ".mapping", ".plugin", ".builder", ".lora_manager", ".lora_helper")
"""Where a name is looked for first if the module that uses it has none of that name."""

WITHOUT_BINDINGS = ("tensorrt_llm.builder", "tensorrt_llm.models")
"""Where a name never means the class of that name among the bindings."""

BINDINGS = ("tllm.", "tllme.", "trtllm.")


class Library:
    """The symbols of one row, by full name. The environment tells the rank, as Open MPI does."""

    def __init__(self, row: str, knobs: Knobs) -> None:
        self.row = row
        self.version = rows.version(row)
        self.minor = rows.minor(row)
        self.knobs = knobs
        self.faults = Faults(knobs.faults)
        self.rank = int(os.environ.get("OMPI_COMM_WORLD_RANK", "0"))
        self.world = int(os.environ.get("OMPI_COMM_WORLD_SIZE", "1"))
        self.recorder = Recorder(knobs.log, self.rank)
        self.entries = rows.row(row)
        self.symbols: dict[str, Any] = {}
        self.device: int | None = None
        self._found: dict[tuple[str, str], Any] = {}

    def has(self, symbol: str, member: str | None = None) -> bool:
        """Say whether the row has a symbol, and a member of it: attribute, method, constructor argument, value."""
        entry = self.entries.get(symbol)
        if entry is None or member is None:
            return entry is not None
        names = {text.split(" ")[0] for text in entry.get("attributes", ())}
        arguments = {a[0] for o in rows.overloads(entry.get("init", [])) for a in o}
        return member in names | arguments | set(entry.get("methods", ())) | set(entry.get("enum", ()))

    def symbol(self, path: str) -> Any:
        """Return a class, enum or function of the row; KeyError where it has none."""
        return self.symbols[path]

    def record(self, path: str, **values: Any) -> Any:
        """Return an object as the library makes it, with those values that the row has attributes for."""
        return blank(self.symbols[path], values)

    def find(self, near: str) -> Find:
        """Return what resolves a name of an annotation that stands in the entry of `near`."""

        def found(name: str) -> Any:
            key = (near.rsplit(".", 1)[0], name)
            if key not in self._found:
                self._found[key] = self._named(name, near)
            return self._found[key]

        return found

    def _named(self, name: str, near: str) -> Any:
        module = near.rsplit(".", 1)[0]
        apart = near.startswith(WITHOUT_BINDINGS)
        candidates = [
            path
            for path in self.symbols
            if path.rsplit(".", 1)[-1] == name and not (apart and path.startswith("tensorrt_llm.bindings"))
        ]
        ordered = sorted(candidates, key=lambda path: _distance(path, module))
        classes = [self.symbols[path] for path in ordered if isinstance(self.symbols[path], type)]
        if not classes:
            return None
        if issubclass(classes[0], Shell) and not near.startswith("tensorrt_llm.bindings"):
            return tuple(classes)
        return classes[0]

    def bind(
        self, name: str, overloads: Sequence[Overload], positional: Sequence[Any], keywords: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the arguments of a call, or refuse it."""
        near = name if name.startswith("tensorrt_llm") else self._path(name)
        return bind(name, overloads, positional, keywords, self.find(near), self.defaults(near))

    def _path(self, name: str) -> str:
        cls = name.split(".")[0]
        return next((path for path in self.symbols if path.endswith(f".{cls}")), f"tensorrt_llm.{cls}")

    def default(self, text: str, near: str = "tensorrt_llm.") -> Any:
        """Return a fresh value for the contract's text of a default."""
        return self.defaults(near)(text)

    def defaults(self, near: str) -> Callable[[str], Any]:
        """Return what evaluates defaults that stand in the entry of `near`."""

        def value(text: str) -> Any:
            known, literal = _literal(text)
            return copy.copy(literal) if known else self._symbolic(text, near)

        return value

    def _symbolic(self, text: str, near: str) -> Any:
        plain = text
        for prefix in BINDINGS:
            plain = plain.removeprefix(prefix)
        if text == "1024 ** 3":
            return 1 << 30
        name, call, _ = plain.partition("(")
        if call:
            cls = self._one(name, near)
            if cls is None:
                return None
            with self.recorder.aside():
                return cls() if plain == f"{name}()" else blank(cls, {})
        owner, dot, member = plain.rpartition(".")
        found = self._one(owner, near) if dot else None
        return getattr(found, member, None)

    def _one(self, name: str, near: str) -> Any:
        found = self.find(near)(name)
        return found[0] if isinstance(found, tuple) else found


@functools.cache
def _literal(text: str) -> tuple[bool, Any]:
    """Whether a text is a literal, and its value."""
    try:
        return True, ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return False, None


def _distance(path: str, module: str) -> tuple[int, int]:
    own = path.rsplit(".", 1)[0]
    if own == module:
        return (0, 0)
    places = [n for n, ending in enumerate(PREFERRED) if own.endswith(ending)]
    return (1, places[0]) if places else (2, len(path))
