"""Which `rope_scaling` a checkpoint may have."""

from __future__ import annotations

from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.hf_config import HfConfig
from tests.contract.tensorrt_llm_stand_in.library import Library

STRICT_UNTIL = (0, 14)
"""The last version that comes with transformers 4.42; the knob `transformers` overrides it: (4, 42), (4, 44)."""

ROPE_TYPES = ("llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "internlm")


def rope_problem(config: HfConfig, library: Library) -> None:
    """Refuse a `rope_scaling` as transformers, or the library behind it, refuses it."""
    scaling = config.raw.get("rope_scaling")
    if scaling is None or config.type not in ROPE_TYPES:
        return
    default = (4, 42) if library.minor <= STRICT_UNTIL else (4, 44)
    if tuple(library.knobs.options.get("transformers", default)) < (4, 43):
        _strict(scaling)
    kind = scaling.get("rope_type", scaling.get("type"))
    if kind not in ("linear", "dynamic", "llama3", "longrope", "su"):
        raise ValueError(f"`rope_scaling`'s type field must be one of ['linear', 'dynamic'], got {kind}")
    if kind in ("linear", "dynamic"):
        _factor(scaling)


def _strict(scaling: dict[str, Any]) -> None:
    if len(scaling) != 2 or "type" not in scaling:
        raise ValueError(
            f"`rope_scaling` must be a dictionary with two fields, `type` and `factor`, got {scaling}"
        )
    if scaling["type"] not in ("linear", "dynamic"):
        raise ValueError(
            f"`rope_scaling`'s type field must be one of ['linear', 'dynamic'], got {scaling['type']}"
        )
    _factor(scaling)


def _factor(scaling: dict[str, Any]) -> None:
    factor = scaling.get("factor")
    if not isinstance(factor, float) or factor <= 1.0:
        raise ValueError(f"`rope_scaling`'s factor field must be a float > 1, got {factor}")
