"""Makes the classes, enums and functions of a row."""

from __future__ import annotations

import ast
from enum import Enum
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour_of, everything
from tests.contract.tensorrt_llm_stand_in.library import Library
from tests.contract.tensorrt_llm_stand_in.rows import Entry
from tests.contract.tensorrt_llm_stand_in.shell import Shell, attribute_property, class_method, method
from tests.contract.tensorrt_llm_stand_in.spec import parse, spec_of

ONE_OF = {
    "tensorrt_llm.llmapi.QuantConfig": "tensorrt_llm.models.modeling_utils.QuantConfig",
    "tensorrt_llm.hlapi.QuantConfig": "tensorrt_llm.models.modeling_utils.QuantConfig",
    "tensorrt_llm.llmapi.SamplingParams": "tensorrt_llm.SamplingParams",
    "tensorrt_llm.llmapi.LLM": "tensorrt_llm.LLM",
}
"""Names of the contract that stand for one class of the library, where a row has both."""

PRETRAINED_MODEL = "tensorrt_llm.models.modeling_utils.PretrainedModel"

STRING_ENUMS = ("QuantAlgo",)


def generate(library: Library) -> None:
    """Fill `library.symbols` from its row."""
    everything()
    entries = library.entries
    for symbol, entry in entries.items():
        if "alias_of" not in entry and not (symbol in ONE_OF and ONE_OF[symbol] in entries):
            _one(library, symbol, entry)
    for symbol, entry in entries.items():
        target = entry.get("alias_of") or (ONE_OF.get(symbol) if symbol not in library.symbols else None)
        if target is not None:
            library.symbols[symbol] = library.symbols[target]
    for symbol in [s for s in library.symbols if s.rsplit(".", 1)[0] in library.symbols]:
        owner, name = symbol.rsplit(".", 1)
        found = library.symbols[symbol]
        setattr(library.symbols[owner], name, found if isinstance(found, type) else staticmethod(found))


def _one(library: Library, symbol: str, entry: Entry) -> None:
    if "enum" in entry:
        library.symbols[symbol] = _enum(symbol, entry)
    elif "function" in entry:
        library.symbols[symbol] = _function(library, symbol, entry["function"])
    elif "map" in entry:
        return
    elif symbol.endswith(".functions"):
        module = symbol.removesuffix(".functions")
        for name, signature in entry["methods"].items():
            library.symbols[f"{module}.{name}"] = _function(library, f"{module}.{name}", signature)
    elif "init" in entry and symbol not in library.symbols:
        library.symbols[symbol] = _class(library, symbol)


def _class(library: Library, symbol: str) -> type[Shell]:
    spec = spec_of(symbol, library.row)
    members: dict[str, Any] = {name: attribute_property(name) for name in spec.attributes}
    for name, overloads in spec.methods.items():
        make = class_method if name in spec.class_methods else method
        members[name] = make(spec, name, overloads)
    members["_spec"] = spec
    members["_library"] = library
    members["__module__"] = symbol.rpartition(".")[0]
    members["__doc__"] = "\n".join(f"{spec.name}{overload}" for overload in spec.constructors)
    return type(spec.name, _bases(library, symbol), members)


def _bases(library: Library, symbol: str) -> tuple[type, ...]:
    entry = library.entries[symbol]
    names = entry.get("bases") or ()
    if (
        not names
        and symbol.startswith("tensorrt_llm.models.")
        and "from_hugging_face" in entry.get("methods", ())
    ):
        names = () if symbol == PRETRAINED_MODEL else ("PretrainedModel",)
    if "Exception" in names:
        return (Shell, Exception)
    found = []
    for name in names:
        named = (path for path in library.entries if path.endswith(f".{name}") and path != symbol)
        path = next((path for path in named if ONE_OF.get(path) not in library.entries), None)
        if path is None and name == "DecoderModelForCausalLM":
            path = PRETRAINED_MODEL
        if path is not None and path in library.entries and "init" in library.entries[path]:
            if path not in library.symbols:
                library.symbols[path] = _class(library, path)
            found.append(library.symbols[path])
    distinct = [
        cls for cls in dict.fromkeys(found) if not any(o is not cls and issubclass(o, cls) for o in found)
    ]
    return tuple(distinct) or (Shell,)


def _enum(symbol: str, entry: Entry) -> type[Enum]:
    name = symbol.rsplit(".", 1)[-1]
    values = {member: ast.literal_eval(value) for member, value in entry.get("values", {}).items()}
    if name in STRING_ENUMS:
        values = {member: member for member in entry["enum"]}
    members = {member: values.get(member, number) for number, member in enumerate(entry["enum"])}
    if all(isinstance(value, str) for value in members.values()) and members:
        made: Any = _StringEnum(name, members)
    else:
        made = _NumberEnum(name, members)
    made.__module__ = symbol.rpartition(".")[0]
    return made  # type: ignore[no-any-return]


class _StringEnum(str, Enum):
    def __str__(self) -> str:
        return str(self.value)


class _NumberEnum(Enum):
    def __int__(self) -> int:
        return int(self.value)


def _function(library: Library, symbol: str, signature: list[Any]) -> Any:
    overloads = parse(signature)

    def call(*positional: Any, **keywords: Any) -> Any:
        bound = library.bind(symbol, overloads, positional, keywords)
        library.recorder.add(symbol, "", bound if positional else {name: bound[name] for name in keywords})
        implementation = behaviour_of(symbol)
        if implementation is None:
            raise NotImplementedError(symbol)
        return implementation(Context(library, symbol), **bound)

    call.__name__ = symbol.rsplit(".", 1)[-1]
    call.__doc__ = "\n".join(f"{call.__name__}{overload}" for overload in overloads)
    return call
