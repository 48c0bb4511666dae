"""A plan's name: the digest of everything that decides what a build produces, and how two plans differ."""

from __future__ import annotations

import json
from collections.abc import Mapping

from blake3 import blake3

from djl_trtllm.core import Plan

Content = Mapping[str, object]

_WORDS = {
    "runtime": "the runtime",
    "model_type": "the model type",
    "device": "the device",
    "world_size": "the number of ranks",
}
_OWN_CODE = "the code of this package that builds"
_GROUPS = {"options": "option {}", "versions": "the version of {}", "extra": "{}"}


def content(plan: Plan) -> dict[str, object]:
    """Return a plan as JSON values, as it is hashed and kept in the manifest."""
    return {
        "runtime": plan.runtime,
        "model_type": plan.model_type,
        "inputs": dict(plan.inputs),
        "options": dict(plan.options),
        "versions": dict(plan.versions),
        "device": plan.device,
        "world_size": plan.world_size,
        "extra": dict(plan.extra),
    }


def canonical(value: object) -> bytes:
    """Return JSON bytes that are equal for equal values: keys sorted, no spaces, ASCII, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    ).encode()


def key(plan: Plan) -> str:
    """Return the name of what a plan builds: 32 hex digits (128 bits) of BLAKE3."""
    return str(blake3(canonical(content(plan))).hexdigest(16))


def differences(old: Content, new: Content) -> list[str]:
    """Say in words everything that differs between two plans' contents; files by name, never by digest."""
    found = [
        f"{words} is {new.get(part)!r} and was {old.get(part)!r}"
        for part, words in _WORDS.items()
        if old.get(part) != new.get(part)
    ]
    later: list[str] = []
    for group, words in _GROUPS.items():
        before, after = mapping(old.get(group)), mapping(new.get(group))
        for name in sorted({*before, *after}):
            was, now = before.get(name), after.get(name)
            if was != now:
                # A library that enters only some plans, as the quantiser does, is no reason of its own.
                place = later if group == "versions" and None in (was, now) else found
                subject = _OWN_CODE if (group, name) == ("versions", "recipe") else words.format(name)
                place.append(f"{subject} is {_shown(now)} and was {_shown(was)}")
    found += _changed_files(mapping(old.get("inputs")), mapping(new.get("inputs")))
    return found or later


def mapping(value: object) -> Mapping[str, object]:
    """Return a part of a plan's content, empty where it is not what it should be."""
    return value if isinstance(value, Mapping) else {}


def _changed_files(old: Mapping[str, object], new: Mapping[str, object]) -> list[str]:
    ways = {
        "changed": sorted(name for name in old.keys() & new.keys() if old[name] != new[name]),
        "new": sorted(new.keys() - old.keys()),
        "gone": sorted(old.keys() - new.keys()),
    }
    return [
        f"the file {names[0]} is {way}" if len(names) == 1 else f"the files {', '.join(names)} are {way}"
        for way, names in ways.items()
        if names
    ]


def _shown(value: object) -> str:
    return "not set" if value is None else str(value)
