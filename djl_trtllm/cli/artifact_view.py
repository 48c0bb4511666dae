"""A compiled model as `djl-trtllm inspect` shows it: text for people, JSON for programs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from djl_trtllm.cli import cache

if TYPE_CHECKING:
    from djl_trtllm.cli.console import Console
    from djl_trtllm.compile.entry import Entry
    from djl_trtllm.compile.manifest import Manifest

_DIGITS = 12
_SHORT = 20
"""Longest list of files that is shown whole; of a longer one the largest are."""


def as_json(entry: Entry) -> dict[str, object]:
    """Return all that is known of an artifact as JSON values."""
    return {
        "key": entry.key,
        "path": str(entry.path),
        "bytes": entry.bytes,
        "used": round(entry.used),
        "in_use": entry.in_use,
        "problem": entry.problem,
        "manifest": None if entry.manifest is None else asdict(entry.manifest),
    }


def show(shown: Console, entry: Entry) -> None:
    """Show one artifact, whole."""
    from djl_trtllm.compile import disk

    shown.heading(f"{cache.name_of(entry)}  {entry.key}")
    if entry.manifest is None:
        shown.line(f"error: {entry.problem}", "bad")
        shown.pairs([("directory", str(entry.path)), ("size", disk.size(entry.bytes))])
        return
    shown.pairs(_facts(entry, entry.manifest))
    _show_parts(shown, entry.manifest)


def _facts(entry: Entry, manifest: Manifest) -> list[tuple[str, str]]:
    from djl_trtllm.compile import disk, quality

    plan, build = manifest.plan, manifest.build
    world = plan.get("world_size")
    seconds, started = build.get("seconds"), build.get("started")
    took = f"{seconds:.0f} s" if isinstance(seconds, (int, float)) else "unknown"
    when = _time(started) if isinstance(started, (int, float)) else "unknown"
    rows = [
        ("model", f"{cache.origin_of(manifest)}, {plan.get('model_type')}"),
        ("runtime", str(plan.get("runtime"))),
        ("device", f"{plan.get('device')}{f', {world} ranks' if world != 1 else ''}"),
        ("compiled", f"{when}, in {took}{_stages(build.get('stages'))}"),
    ]
    if manifest.fetched is not None:
        at = manifest.fetched.get("when")
        when = _time(at) if isinstance(at, (int, float)) else "unknown"
        rows.append(("fetched", f"{when}, from {manifest.fetched.get('from')}"))
    if manifest.quality is not None:
        rows.append(("quality", quality.line(manifest.quality)))
    rows += [
        ("size", f"{disk.size(entry.bytes)} in {cache.plural(len(manifest.files), 'file')}"),
        ("last used", "in use now" if entry.in_use else f"{_time(entry.used)}, {cache.ago(entry.used)}"),
        ("directory", str(entry.path)),
    ]
    return rows


def _show_parts(shown: Console, manifest: Manifest) -> None:
    from djl_trtllm.compile import disk

    inputs = _mapping(manifest.plan.get("inputs"))
    shown.heading("Made from these files")
    shown.table(("file", "blake3"), [(name, str(inputs[name])[:_DIGITS]) for name in sorted(inputs)])
    if manifest.options:
        shown.heading("Options")
        rows = [(name, value, source) for name, (value, source) in sorted(manifest.options.items())]
        shown.table(("option", "value", "from"), rows)
    built_in = {**_mapping(manifest.plan.get("options")), **_mapping(manifest.plan.get("extra"))}
    given = {name: str(value) for name, value in built_in.items() if _is_news(manifest, name, value)}
    if given:
        shown.heading("What they came to")
        shown.pairs(sorted(given.items()))
    versions = _mapping(manifest.plan.get("versions"))
    shown.heading("Versions")
    shown.pairs([(name, str(versions[name])) for name in sorted(versions)])
    files = sorted(manifest.files.items(), key=lambda item: (-item[1].size, item[0]))
    shown.heading("Files" if len(files) <= _SHORT else f"The largest of {len(files)} files")
    shown.table(
        ("file", "size", "blake3"),
        [(name, disk.size(file.size), file.digest[:_DIGITS]) for name, file in files[:_SHORT]],
        right=("size",),
    )


def _is_news(manifest: Manifest, name: str, value: object) -> bool:
    """Whether the plan says something of an option that the options themselves do not."""
    return manifest.options.get(name, (None, ""))[0] != str(value)


def _stages(stages: object) -> str:
    long = [
        f"{name} {seconds:.0f} s"
        for name, seconds in _mapping(stages).items()
        if isinstance(seconds, (int, float)) and seconds >= 1
    ]
    return f" ({', '.join(long)})" if long else ""


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _time(when: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))


def show_list(shown: Console, entries: Sequence[Entry]) -> None:
    """Show artifacts, one a line."""
    from djl_trtllm.compile import disk

    rows = []
    for entry in entries:
        found = entry.manifest
        started = None if found is None else found.build.get("started")
        rows.append(
            (
                entry.key[: cache.SHOWN],
                cache.name_of(entry),
                "" if found is None else str(found.plan.get("runtime")),
                disk.size(entry.bytes),
                cache.ago(started) if isinstance(started, (int, float)) else "",
                "in use" if entry.in_use else cache.ago(entry.used),
            )
        )
    shown.table(("key", "model", "runtime", "size", "compiled", "last used"), rows, right=("size",))
