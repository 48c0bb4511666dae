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
_GROUPS = {"options": "option {}", "versions": "the version of {}", "inputs": "the file {}", "extra": "{}"}


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
    """Say in words what differs between two plans' contents; files by name, never by digest."""
    found = [
        f"{words} is {new.get(part)!r} and was {old.get(part)!r}"
        for part, words in _WORDS.items()
        if old.get(part) != new.get(part)
    ]
    for group, words in _GROUPS.items():
        before, after = _mapping(old.get(group)), _mapping(new.get(group))
        for name in sorted({*before, *after}):
            was, now = before.get(name), after.get(name)
            # A library that enters only some plans, as the quantiser does, is no reason of its own.
            if was == now or (group == "versions" and None in (was, now)):
                continue
            subject = words.format(name)
            if group == "inputs":
                found.append(f"{subject} is {'new' if was is None else 'gone' if now is None else 'changed'}")
            else:
                found.append(f"{subject} is {_shown(now)} and was {_shown(was)}")
    return found


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _shown(value: object) -> str:
    return "not set" if value is None else str(value)
