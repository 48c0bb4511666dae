"""Puts the symbols of a row where the library has them: its modules, what they export, and nothing else."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from tests.contract.tensorrt_llm_stand_in import rows
from tests.contract.tensorrt_llm_stand_in.library import Library

EXPORTS_OF = {"0.21~": "0.17~", "1.0~": "1.2~"}
"""Rows without what `tensorrt_llm.__init__` exports, and the row whose exports, as far as there are symbols, hold."""

ALSO = {
    "tensorrt_llm.models.modeling_utils.PretrainedConfig": ("tensorrt_llm.models",),
    "tensorrt_llm.models.modeling_utils.PretrainedModel": ("tensorrt_llm.models",),
    "tensorrt_llm.models.modeling_utils.QuantConfig": ("tensorrt_llm.quantization",),
    "tensorrt_llm.models.modeling_utils.SpeculativeDecodingMode": ("tensorrt_llm.models",),
    "tensorrt_llm.plugin.PluginConfig": ("tensorrt_llm.plugin.plugin",),
    "tensorrt_llm.quantization.QuantAlgo": ("tensorrt_llm.quantization.mode",),
}
"""Second places of a symbol."""

NEWER_ALSO = {"tensorrt_llm.models.modeling_utils.QuantConfig": (1, 3)}
"""Second places that are only there from a version on."""


def modules(library: Library) -> dict[str, ModuleType]:
    """Return the modules of an installed row, by full name."""
    made: dict[str, ModuleType] = {}
    top = _module(made, "tensorrt_llm")
    top.__dict__["__version__"] = library.version
    _module(made, "tensorrt_llm.version").__dict__["__version__"] = library.version
    for symbol, value in library.symbols.items():
        owner, name = symbol.rsplit(".", 1)
        if owner not in library.symbols:
            setattr(_module(made, owner), name, value)
            for place in _also(library, symbol):
                setattr(_module(made, place), name, value)
    for entry in library.entries.values():
        if "map" in entry:
            table = {
                key: library.symbols[f"tensorrt_llm.models.{cls}"]
                for key, cls in entry["map"].items()
                if f"tensorrt_llm.models.{cls}" in library.symbols
            }
            _module(made, "tensorrt_llm.models").__dict__["MODEL_MAP"] = table
    for owner, exports in _exports(library).items():
        for name, source in exports.items():
            _export(library, made, owner, name, source)
    return made


def _also(library: Library, symbol: str) -> tuple[str, ...]:
    if library.minor < NEWER_ALSO.get(symbol, (0, 0)):
        return ()
    return ALSO.get(symbol, ())


def _exports(library: Library) -> dict[str, dict[str, str]]:
    exports = {
        s.removesuffix(".__init__"): e["exports"] for s, e in library.entries.items() if "exports" in e
    }
    if library.row in EXPORTS_OF:
        taken = rows.row(EXPORTS_OF[library.row])["tensorrt_llm.__init__"]["exports"]
        exports["tensorrt_llm"] = {
            n: s for n, s in taken.items() if _target(library, "tensorrt_llm", n, s) is not None
        }
    return exports


def _export(library: Library, made: dict[str, ModuleType], owner: str, name: str, source: str) -> None:
    module = _module(made, owner)
    if name.startswith("__") or hasattr(module, name):
        return
    target = _target(library, owner, name, source)
    value = Unread(f"{owner}.{name}") if target is None else target
    setattr(module, name, value)
    place = _absolute(owner, source.split(" ")[0])
    if place.startswith("tensorrt_llm") and target is not None:
        home = _module(made, place)
        if not hasattr(home, name):
            setattr(home, name, value)


def _target(library: Library, owner: str, name: str, source: str) -> Any:
    place, _, own = source.partition(" ")
    full = f"{_absolute(owner, place)}.{name}"
    if full in library.symbols:
        return library.symbols[full]
    if name == "LlmArgs" and library.minor >= (0, 19):
        name = own or "TrtLlmArgs"
    found = [
        s
        for s in library.symbols
        if s.rsplit(".", 1)[-1] == name and not s.startswith("tensorrt_llm.bindings")
    ]
    package = full.rsplit(".", 2)[0]
    return library.symbols[min(found, key=lambda s: (not s.startswith(package), len(s)))] if found else None


def _absolute(owner: str, place: str) -> str:
    dots = len(place) - len(place.lstrip("."))
    if dots == 0:
        return place
    parents = owner.split(".")
    base = parents[: len(parents) - (dots - 1)]
    return ".".join([*base, *filter(None, [place.lstrip(".")])])


def _module(made: dict[str, ModuleType], name: str) -> ModuleType:
    if name not in made:
        module = ModuleType(name)
        module.__path__ = []
        module.__spec__ = ModuleSpec(name, None, is_package=True)
        made[name] = module
        if "." in name:
            owner, own = name.rsplit(".", 1)
            setattr(_module(made, owner), own, module)
    return made[name]


class Unread:
    """Something the library exports of which the contract does not say how it is used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *_positional: Any, **_keywords: Any) -> Any:
        raise NotImplementedError(f"the contract has no signature of {self._name}")


def remove() -> dict[str, ModuleType]:
    """Take every module of the library out of `sys.modules` and return them."""
    taken = [name for name in sys.modules if name == "tensorrt_llm" or name.startswith("tensorrt_llm.")]
    return {name: sys.modules.pop(name) for name in taken}
