"""Rotary options: patches of config.json, because the library has no argument for them.

Passing them as arguments raises TypeError or has no effect (LLaMA, Qwen, GPT-J, Falcon, Baichuan and ChatGLM run on
0.12 to 0.14); a changed config.json reaches the engine where `Family.rotary_base` and the like name a key.
"""

from __future__ import annotations

from djl_trtllm.engines.trtllm.families import Family
from djl_trtllm.engines.trtllm.row import Places
from djl_trtllm.engines.trtllm.situation import Situation

_DEFAULT_BASE = 10000.0
_RATIO_VERSIONS = ("chatglm3", "glm4")


def resolve(
    s: Situation,
    kind: Family,
    origin: str,
    places: Places,
    notes: list[str],  # noqa: ARG001
    problems: list[str],
) -> None:
    """Add what config.json must say, and refuse what would change nothing."""
    patch: dict[str, object] = {}
    if s.options.rotary_base is not None:
        if _takes_base(kind, places):
            ratio = kind.rotary_base == "rope_ratio"
            patch[kind.rotary_base] = s.options.rotary_base / (_DEFAULT_BASE if ratio else 1)
        else:
            problems.append(_refusal(s, "rotary_base", kind, origin, "LLaMA, Mistral, InternLM and Qwen"))
    if s.options.rotary_dim is not None:
        if kind.rotary_dim:
            patch[kind.rotary_dim] = s.options.rotary_dim
        else:
            problems.append(_refusal(s, "rotary_dim", kind, origin, "GPT-J"))
    if s.options.rotary_scaling_type is not None and s.options.rotary_scaling_factor is not None:
        if kind.stretches:
            # transformers 4.42 takes neither rope_type nor a whole number here.
            factor = float(s.options.rotary_scaling_factor)
            patch["rope_scaling"] = {"type": s.options.rotary_scaling_type, "factor": factor}
        else:
            name = "rotary_scaling_type"
            problems.append(_refusal(s, name, kind, origin, "LLaMA, Mistral, InternLM and Qwen"))
    if patch:
        places.setdefault("config.json", {}).update(patch)


def _takes_base(kind: Family, places: Places) -> bool:
    if kind.rotary_base != "rope_ratio":
        return bool(kind.rotary_base)
    # ChatGLM2 makes a linear scaling of rope_ratio; only later versions multiply the base with it.
    return any(
        places.get(place, {}).get(kind.version_argument) in _RATIO_VERSIONS
        for place in ("from_hugging_face", "quantize")
    )


def _refusal(s: Situation, name: str, kind: Family, origin: str, takers: str) -> str:
    return (
        f"{s.said(name)} has no effect on {origin}: TensorRT-LLM takes it for {takers}, and this is a {kind.title}"
        " model. Remove the option."
    )
