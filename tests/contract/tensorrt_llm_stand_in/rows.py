"""The rows of the contract: what one version of TensorRT-LLM has, by full symbol name."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

CONTRACT = Path(__file__).parents[1] / "trtllm_contract.json"

Entry = dict[str, Any]
Row = dict[str, Entry]

VERSIONS = {"0.21~": "0.21.0", "1.0~": "1.0.0", "1.2~": "1.2.1", "1.3-main-after-2026-07": "1.3.0"}
"""What `__version__` says in rows whose source does not tell."""

_LLM_API = (
    "tensorrt_llm.SamplingParams",
    "tensorrt_llm.llmapi.CapacitySchedulerPolicy",
    "tensorrt_llm.llmapi.CompletionOutput",
    "tensorrt_llm.llmapi.ContextChunkingPolicy",
    "tensorrt_llm.llmapi.DynamicBatchConfig",
    "tensorrt_llm.llmapi.GuidedDecodingParams",
    "tensorrt_llm.llmapi.KvCacheConfig",
    "tensorrt_llm.llmapi.RequestOutput",
    "tensorrt_llm.llmapi.SchedulerConfig",
)
COMPLETED = {"1.0~": "1.2~", "1.3-main-after-2026-07": "1.3.0rc3"}
"""Rows that say nothing of symbols which the LLM API cannot be used without, and the row that they are taken from."""

_GUIDED = "tensorrt_llm.bindings.executor.GuidedDecoding"
_UNREAD = ("0.16.0", "0.17~")
"""Rows whose reader lost the constructors of the guided decoding types, which are chained to variables in
bindings.cpp: the enums are nested there too, and the arguments are those of 1.x."""

NO_SYMBOL = ("_source", "tensorrt_llm.kept", "tensorrt_llm.removed")


@functools.cache
def contract() -> dict[str, Any]:
    """Return the whole contract."""
    return dict(json.loads(CONTRACT.read_bytes()))


def names() -> tuple[str, ...]:
    """Return the rows, oldest first."""
    return tuple(sorted((name for name in contract() if name != "_meta"), key=_age))


def version(name: str) -> str:
    """Return what `tensorrt_llm.__version__` is in a row."""
    return str(contract()[name]["_source"].get("version_py") or VERSIONS[name])


def minor(name: str) -> tuple[int, int]:
    """Return major and minor number of a row; a snapshot named after a release counts as that release."""
    if name in ("0.12a~", "0.12b~"):
        return (0, 13)
    major, second = version(name).split(".")[:2]
    return int(major), int(second)


@functools.cache
def row(name: str) -> Row:
    """Return the entries of a row. Row 0.21~, of which little was read, is completed by what its neighbours share."""
    entries = {symbol: entry for symbol, entry in contract()[name].items() if symbol not in NO_SYMBOL}
    if name in _UNREAD:
        return _with_guides(entries)
    if name in COMPLETED:
        other = row(COMPLETED[name])
        if name == "1.3-main-after-2026-07":
            entries["tensorrt_llm.LLM"] = _with_unstable(entries["tensorrt_llm.LLM"], other)
        return {**{symbol: other[symbol] for symbol in _LLM_API if symbol in other}, **entries}
    if name != "0.21~":
        return entries
    return {**shared(row("0.17~"), row("1.0~")), **entries}


def _with_guides(entries: Row) -> Row:
    """Return the row with the types of guided decoding as bindings.cpp has them."""
    module = _GUIDED.rpartition(".")[0]
    nested = {
        f"{_GUIDED}Config.GuidedDecodingBackend": entries[f"{module}.GuidedDecodingBackend"],
        f"{_GUIDED}Params.GuideType": entries[f"{module}.GuideType"],
    }
    known = contract()["1.2~"]
    classes = {symbol: known[symbol] for symbol in (f"{_GUIDED}Config", f"{_GUIDED}Params")}
    kept = {
        symbol: entry
        for symbol, entry in entries.items()
        if symbol not in (f"{module}.GuidedDecodingBackend", f"{module}.GuideType")
    }
    return {**kept, **classes, **nested}


def _with_unstable(llm: Entry, older: Row) -> Entry:
    """Return the LLM of 1.3 with the arguments that the contract refers to another row for: it lists stable ones."""
    stable = {argument[0] for argument in (*llm["init"], *llm["kwargs_accepted"])}
    others = [a for a in older["tensorrt_llm.llmapi.TorchLlmArgs"]["init"] if a[0] not in {*stable, "*"}]
    return {**llm, "kwargs_accepted": [*llm["kwargs_accepted"], *others]}


def shared(older: Row, newer: Row) -> Row:
    """Return what two rows have in common: symbols, arguments, attributes and methods, with the older one's types."""
    return {symbol: _common(older[symbol], newer[symbol]) for symbol in older if symbol in newer}


def _common(older: Entry, newer: Entry) -> Entry:
    entry = dict(older)
    for key in ("enum", "attributes"):
        if key in older:
            known = {name.split(" ")[0] for name in newer.get(key, ())}
            entry[key] = [name for name in older[key] if name.split(" ")[0] in known]
    for key in ("init", "function"):
        if key in older:
            entry[key] = _common_signature(older[key], newer.get(key, []))
    for key in ("exports", "map", "from_hugging_face", "quantize", "inherited_methods"):
        if key in older:
            entry[key] = {name: value for name, value in older[key].items() if name in newer.get(key, {})}
    if "methods" in older:
        methods = newer.get("methods", {})
        entry["methods"] = {
            name: _common_signature(signature, methods[name])
            for name, signature in older["methods"].items()
            if name in methods
        }
    return entry


def overloads(signature: list[Any]) -> list[list[Any]]:
    """Return a signature of the contract as a list of overloads."""
    if signature and (not signature[0] or isinstance(signature[0][0], list)):
        return signature
    return [signature]


def _common_signature(older: list[Any], newer: list[Any]) -> list[Any]:
    known = {argument[0] for overload in overloads(newer) for argument in overload}
    kept = []
    for overload in overloads(older):
        arguments = [argument for argument in overload if argument[0] in known or argument[0].startswith("*")]
        lost = [
            argument for argument in overload if argument not in arguments and argument[2] == "<required>"
        ]
        if not lost and arguments not in kept:
            kept.append(arguments)
    return kept


def _age(name: str) -> tuple[tuple[int, ...], str]:
    number = name.rstrip("ab~").split("-")[0].split("rc")[0]
    return tuple(int(part) for part in number.split(".")), name
