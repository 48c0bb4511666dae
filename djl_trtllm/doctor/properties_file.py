"""serving.properties as text: keys without effect, keys that are set twice, and what Java reads otherwise."""

from __future__ import annotations

from collections.abc import Iterator

from djl_trtllm.doctor.finding import Finding, note, ok
from djl_trtllm.doctor.subject import FILE, Subject
from djl_trtllm.local import properties
from djl_trtllm.options.djl import is_djl_property
from djl_trtllm.options.nearest import nearest, shown
from djl_trtllm.options.table import ALIASES, SPECS

NAME = FILE
_BOM = "\ufeff"
_UNPREFIXED = ("engine", "job_queue_size", "batch_size", "minWorkers", "maxWorkers", "load_on_devices")
"""Keys that DJL-Serving takes without `option.`; with it they have no effect."""


def examine(subject: Subject) -> Iterator[Finding]:
    """Look at every line."""
    if subject.directory is None:
        return
    if not subject.text:
        yield note(
            NAME,
            f"{subject.directory} has no {FILE}, so every option is from the environment or a default.",
            "Write one there, as in the examples, or set OPTION_* variables.",
        )
        return
    if subject.text.startswith(_BOM):
        yield note(
            NAME,
            "The file begins with a byte order mark, and Java reads it as part of the first key.",
            "Save it as UTF-8 without BOM.",
        )
    lines: dict[str, tuple[int, str]] = {}
    found = int(subject.text.startswith(_BOM))
    for number, key, value, raw in _pairs(subject.text):
        for finding in _of_line(number, key, value, raw, lines):
            found += 1
            yield finding
        lines[key] = number, value
    if not found:
        yield ok(NAME, f"{len(lines)} settings, each with its prefix and once.")


def _of_line(
    number: int, key: str, value: str, raw: str, before: dict[str, tuple[int, str]]
) -> Iterator[Finding]:
    if key in before and before[key][1] != value:
        yield note(
            NAME,
            f"{key} is set in line {before[key][0]} and again in line {number}; the last value holds.",
            "Remove one of them.",
        )
    name = key.removeprefix("option.")
    if key in SPECS or key in ALIASES:
        yield note(NAME, f"{key} has no effect in {FILE}; write option.{key}.")
    elif name != key and name in _UNPREFIXED:
        yield note(NAME, f"{key} has no effect in {FILE}; write {name}, without option.")
    elif name == key and key.lower().startswith(("option.", "options.", "option_")):
        yield note(
            NAME,
            f"{shown(key)} (line {number}) has no effect; write option.{key[7:].lstrip('._')}, in lower case.",
        )
    elif name == key and not is_djl_property(key) and (close := nearest(key, (*SPECS, *ALIASES))):
        yield note(NAME, f"{shown(key)} (line {number}) has no effect; did you mean option.{close}?")
    if not value and "=" not in raw and ":" not in raw:
        yield note(NAME, f"Line {number} ({shown(key)}) has no value.", f"Write {shown(key)}=<value>.")
    if raw != raw.rstrip() and value:
        yield note(
            NAME,
            f"{shown(key)} (line {number}) ends in blanks, which Java keeps as part of the value.",
            "Remove them.",
        )


def _pairs(text: str) -> Iterator[tuple[int, str, str, str]]:
    """Yield line number, key, value and the text of each setting, lines that are continued joined."""
    start, carried = 0, ""
    for number, raw in enumerate(text.removeprefix(_BOM).splitlines(), 1):
        start = start if carried else number
        carried += raw if not carried else raw.lstrip()
        if not carried.lstrip().startswith(("#", "!")) and (len(carried) - len(carried.rstrip("\\"))) % 2:
            carried = carried[:-1]
            continue
        for key, value in properties.parse(carried).items():
            yield start, key, value, carried
        carried = ""
