"""What a row says about one symbol: its signatures, attributes and kinds of methods."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from tests.contract.tensorrt_llm_stand_in import rows
from tests.contract.tensorrt_llm_stand_in.rows import Entry, Row, overloads
from tests.contract.tensorrt_llm_stand_in.signature import Argument, Overload

Overloads = tuple[Overload, ...]


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute: the annotation of what may be set, allowed values where the row lists them."""

    name: str
    read_only: bool
    annotation: str | None
    default: str | None
    allowed: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True)
class Spec:
    """A class of a row. `kind` is `cpp`, `dataclass`, `pydantic` or `python`; `extra`: what pydantic does."""

    symbol: str
    kind: str
    constructors: Overloads
    methods: dict[str, Overloads]
    class_methods: frozenset[str]
    async_methods: frozenset[str]
    attributes: dict[str, Attribute]
    extra: str
    entry: Entry = field(repr=False)

    @property
    def name(self) -> str:
        return self.symbol.rsplit(".", 1)[-1]


@functools.cache
def spec_of(symbol: str, row_name: str) -> Spec:
    """Read the entry of a class in a row, the methods it inherits among its own."""
    row = rows.row(row_name)
    entry = row[symbol]
    methods, class_methods, async_methods = _methods(entry, row)
    constructors = parse(entry["init"])
    if symbol.startswith("tensorrt_llm.bindings") and entry["init"] == []:
        constructors = ()
    if entry.get("kwargs_accepted"):
        known = constructors[0].arguments
        more = tuple(Argument(*a) for a in entry["kwargs_accepted"] if a[0] not in {x.name for x in known})
        constructors = (Overload(known + more, any_keyword=False, any_positional=False),)
    return Spec(
        symbol=symbol,
        kind="pydantic" if entry.get("kwargs_accepted") else _kind(symbol, entry),
        constructors=constructors,
        methods=methods,
        class_methods=frozenset(class_methods),
        async_methods=frozenset(async_methods),
        attributes=_attributes(symbol, entry, constructors),
        extra=_extra(entry),
        entry=entry,
    )


def parse(signature: list[Any]) -> Overloads:
    """Read a signature of the contract."""
    return tuple(Overload.of(entry) for entry in overloads(signature))


def _kind(symbol: str, entry: Entry) -> str:
    return "cpp" if symbol.startswith("tensorrt_llm.bindings") else str(entry.get("kind") or "python")


def _extra(entry: Entry) -> str:
    text = str(entry.get("model_config") or "")
    return "ignore" if "ignore" in text else "forbid"


def _methods(entry: Entry, row: Row) -> tuple[dict[str, Overloads], set[str], set[str]]:
    methods = {name: parse(signature) for name, signature in entry.get("methods", {}).items()}
    kinds = dict(entry.get("method_kinds", {}))
    for name, owner in entry.get("inherited_methods", {}).items():
        found = next(
            (e for symbol, e in row.items() if symbol.endswith(f".{owner}") and name in e.get("methods", {})),
            None,
        )
        if found is not None and name not in methods:
            methods[name] = parse(found["methods"][name])
            kinds[name] = found.get("method_kinds", {}).get(name, ())
    class_methods = {name for name in methods if name.startswith("from_") or name == "quantize"}
    class_methods |= {name for name, kind in kinds.items() if "classmethod" in kind or "staticmethod" in kind}
    class_methods |= set(entry.get("static", ()))
    return methods, class_methods & set(methods), {name for name, kind in kinds.items() if "async" in kind}


def _attributes(symbol: str, entry: Entry, constructors: Overloads) -> dict[str, Attribute]:
    types = entry.get("attribute_types", {})
    details = entry.get("attribute_details", {})
    arguments = {argument.name: argument for overload in constructors for argument in overload.arguments}
    attributes = {}
    named = list(entry.get("attributes", ()))
    unnamed = symbol.endswith("Config") and not {text.split(" ")[0] for text in named} & set(arguments)
    if (unnamed or not entry.get("methods")) and not symbol.startswith("tensorrt_llm.bindings"):
        known = {text.split(" ")[0] for text in named}
        named += [name for name in arguments if name not in known]
    for text in named:
        name = text.split(" ")[0]
        detail = details.get(name, {})
        argument = arguments.get(name)
        attributes[name] = Attribute(
            name=name,
            read_only="(ro)" in text,
            annotation=_annotation(symbol, name, types.get(name) or detail.get("type"), argument),
            default=detail.get("default") or (argument.default if argument else None),
            allowed=tuple(detail["allowed"]) if "allowed" in detail else None,
        )
    return attributes


def _annotation(symbol: str, name: str, annotation: str | None, argument: Argument | None) -> str | None:
    """Return what may be set, where the contract's word for it is narrower or wider than what the library checks."""
    if symbol.endswith(".PluginConfig") and name == "tokens_per_block":
        return None
    found = annotation or (argument.annotation if argument else None)
    if symbol.endswith(".PluginConfig") and found == "str":
        return "Optional[str]"
    return found
