"""Why a start was a hit, and why another was not: the words for the log and for `djl-trtllm inspect`."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from djl_trtllm.compile.manifest import Manifest
from djl_trtllm.compile.plan import Content, differences, mapping

_WEIGHTS = (".safetensors", ".bin", ".pt", ".gguf")


@dataclass(frozen=True, slots=True)
class Nearest:
    """The artifact whose plan differs least from another one, and every difference in words.

    `same_weights` says that they have weight files in common, or have the same model_id.
    """

    key: str
    origin: str
    changes: Sequence[str]
    same_model: bool


def why_hit(found: Manifest) -> str:
    """Say what makes an artifact the right one, and where it came from."""
    when = _when(found.build.get("started"))
    why = f"compiled {when} in {found.build.get('seconds')} s from the same files, options and versions"
    if found.fetched is None:
        return why
    return f"{why}, fetched {_when(found.fetched.get('when'))} from {found.fetched.get('from')}"


def nearest(plan: Content, model_id: str, manifests: Iterable[Manifest]) -> Nearest | None:
    """Return the artifact of the same runtime and model type that is most like a plan; None where there is none.

    Nothing in common but the model's type is not likeness: at least one input file has to be the same. Among
    several, those of the same model come first; models of one family share files such as a tokenizer's.
    """
    best: Nearest | None = None
    inputs = mapping(plan.get("inputs"))
    for found in manifests:
        theirs = mapping(found.plan.get("inputs"))
        common = {name for name, digest in inputs.items() if theirs.get(name) == digest}
        if found.plan.get("model_type") != plan.get("model_type") or not common:
            continue
        origin = found.options.get("model_id", ("", ""))[0]
        same = bool(model_id and origin == model_id) or any(name.endswith(_WEIGHTS) for name in common)
        if best is not None and (best.same_model, -len(best.changes)) >= (same, 0):
            continue
        changes = differences(found.plan, plan)
        if best is None or (same, -len(changes)) > (best.same_model, -len(best.changes)):
            best = Nearest(found.key, origin, changes, same)
    return best


def why_miss(found: Nearest | None) -> str:
    """Say what made a start a miss, by what differs from the artifact that is most like it."""
    if found is None:
        return "this model has not been compiled here before"
    named = f"{found.key[:12]} of {found.origin}" if found.origin else found.key[:12]
    changes = "; ".join(found.changes)
    if not found.same_model:
        return f"these weights have not been compiled here before (against {named}: {changes})"
    return f"{changes} (against {named})"


def _when(seconds: object) -> str:
    if not isinstance(seconds, (int, float)):
        return "before"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
