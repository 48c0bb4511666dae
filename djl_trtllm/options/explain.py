"""What the options are and what becomes of them, for people: notes at load, and tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from djl_trtllm.options.guide import GUIDE
from djl_trtllm.options.runtimes import SAME_ANYWAY, UNUSED
from djl_trtllm.options.table import DEFAULTS, SPECS, Options

HEADER = ("option", "value", "default", "affects", "meaning")
_PAGE = """# Options

Set them in `serving.properties` as `option.<name>=<value>`, or in the environment as `OPTION_<NAME>`; the file
wins. A few have a variable of their own, named below; it is the weakest. An empty value counts as not set. All
wrong values are reported at once, and none of them starts a model. `djl-trtllm check <model dir>` shows what a
model directory gets.

*build* options decide what the named runtimes compile, and so whether a compiled model can be reused; *run*
options do not.

{table}

## What a runtime does not use

An option that a runtime does not use is accepted, with one line in the log that says what holds instead. What depends
on the release of TensorRT-LLM is in [tensorrt-llm.md](tensorrt-llm.md).

{unused}
"""


def notes(options: Options, runtime: str) -> list[str]:
    """Return what an operator should know of the options as set: one line each, to be logged once.

    First unknown options, then options that were set but that `runtime` does not use, or that have no effect
    under the values of the others.
    """
    lines = list(options.warnings)
    for name, source in options.sources.items():
        value = getattr(options, name)
        fate = _fate(options, name, value, runtime)
        if fate:
            lines.append(f"{name}={written(value)} (from {source}) {fate}.")
    return lines


def _fate(options: Options, name: str, value: object, runtime: str) -> str | None:
    if value is False or value == SAME_ANYWAY.get(runtime, {}).get(name):
        return None
    if name in UNUSED.get(runtime, {}):
        return UNUSED[runtime][name]
    need = SPECS[name].used_with or SPECS[name].only_with
    if need is not None and getattr(options, need[0]) not in need[1]:
        return f"has no effect without {need[0]}={' or '.join(need[1])}"
    return None


def effective(options: Options) -> list[tuple[str, str, str]]:
    """Return name, value and source of every option."""
    return [(name, written(getattr(options, name)), options.source_of(name)) for name in SPECS]


def written(value: object) -> str:
    """Return a value as it would be set."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def rows(names: Iterable[str] = SPECS) -> list[Mapping[str, object]]:
    """Return the table as plain values, one mapping an option."""
    return [
        {
            "name": name,
            "type": spec.kind.type,
            "default": spec.default or written(DEFAULTS[name]),
            "allowed": spec.kind.allowed,
            "build": list(spec.build),
            "guide": name in GUIDE,
            "environment": [f"OPTION_{name.upper()}", *([spec.env] if spec.env else [])],
            "aliases": list(spec.aliases),
            "meaning": spec.help,
            "only_with": {need[0]: list(need[1])} if (need := spec.used_with or spec.only_with) else {},
            "unused": {runtime: fates[name] for runtime, fates in UNUSED.items() if name in fates},
        }
        for name, spec in ((name, SPECS[name]) for name in names)
    ]


def as_text(names: Iterable[str] = SPECS) -> str:
    """Return the table for a terminal: two lines an option."""
    lines = []
    for name in names:
        spec = SPECS[name]
        default = spec.default or written(DEFAULTS[name]) or "not set"
        lines.append(f"{name}  ({default})")
        lines.append(f"    {spec.help} {_extras(name)}{spec.kind.allowed[0].upper()}{spec.kind.allowed[1:]}.")
    return "\n".join(lines)


def uses(name: str, runtime: str) -> bool:
    """Whether an option decides anything on a runtime."""
    return name not in UNUSED[runtime]


def as_table(names: Iterable[str] = SPECS) -> str:
    """Return the table in Markdown."""
    body = [f"| {' | '.join(HEADER)} |", "|" + "---|" * len(HEADER)]
    for name in names:
        spec = SPECS[name]
        default = spec.default or (f"`{value}`" if (value := written(DEFAULTS[name])) else "not set")
        affects = f"build ({', '.join(spec.build)})" if spec.build else "run"
        meaning = f"{spec.help} {_extras(name)}"
        allowed = (
            f"{spec.kind.type}: {spec.kind.allowed}" if spec.kind.allowed != "any text" else spec.kind.type
        )
        body.append(f"| `{name}` | {allowed} | {default} | {affects} | {meaning.strip()} |")
    return "\n".join(body)


def as_markdown() -> str:
    """Return docs/options.md."""
    unused = []
    for title, fates in UNUSED.items():
        unused.append(f"{title}:\n")
        unused += [f"- `{name}` {fate}." for name, fate in sorted(fates.items())]
        unused.append("")
    return _PAGE.format(table=as_table(), unused="\n".join(unused).rstrip())


def _extras(name: str) -> str:
    spec = SPECS[name]
    words = ""
    need = spec.used_with or spec.only_with
    if need:
        words += f"Only with {need[0]}={' or '.join(need[1])}. "
    if spec.aliases:
        words += f"Also {', '.join(spec.aliases)}. "
    if spec.env:
        words += f"Also from the variable {spec.env}. "
    return words
