"""A checkpoint's config.json in the spelling that every release of TensorRT-LLM reads.

Each release pins a transformers of its time, 4.38 to 4.57, and a name that it does not know is a default there, without
a word: a config.json of transformers 5 would lose its rotary base. transformers 4.42 also refuses a factor that is
no float above 1, and any third name in rope_scaling.
"""

from __future__ import annotations

from collections.abc import Mapping

from djl_trtllm.engines.trtllm.versions import Release

_STRETCHING = ("linear", "dynamic")
_OF_ROPE_PARAMETERS = ("rope_theta", "partial_rotary_factor")


def spelled_for(config: Mapping[str, object], release: Release) -> dict[str, object]:
    """Return the config as `release` reads it; what it does not concern stays as it is."""
    spelled = dict(config)
    if "torch_dtype" not in spelled and isinstance(spelled.get("dtype"), str):
        spelled["torch_dtype"] = spelled["dtype"]
    _flatten(spelled)
    _scaling(spelled)
    if (release.major, release.minor) < (0, 9):
        _for_first_llama(spelled)
    return spelled


def patched(config: Mapping[str, object], patch: Mapping[str, object]) -> dict[str, object]:
    """Return the config with `patch` laid over it; None removes a name."""
    return {
        name: value for name, value in {**config, **patch}.items() if value is not None or name not in patch
    }


def _flatten(config: dict[str, object]) -> None:
    """Put what transformers 5 keeps in rope_parameters where older ones look; one per kind of layer stays nested."""
    nested = config.get("rope_parameters")
    if not isinstance(nested, dict) or any(isinstance(value, dict) for value in nested.values()):
        return
    del config["rope_parameters"]
    for name in _OF_ROPE_PARAMETERS:
        if name in nested:
            config.setdefault(name, nested[name])
    if nested.get("rope_type", "default") != "default":
        scaling = {name: value for name, value in nested.items() if name not in _OF_ROPE_PARAMETERS}
        config.setdefault("rope_scaling", scaling)


def _scaling(config: dict[str, object]) -> None:
    scaling = config.get("rope_scaling")
    if not isinstance(scaling, dict):
        return
    kind, factor = scaling.get("type", scaling.get("rope_type")), scaling.get("factor")
    if kind == "default" or (kind in _STRETCHING and isinstance(factor, (int, float)) and factor <= 1):
        config["rope_scaling"] = None
    elif kind in _STRETCHING and isinstance(factor, (int, float)):
        config["rope_scaling"] = {"type": kind, "factor": float(factor)}


def _for_first_llama(config: dict[str, object]) -> None:
    """Release 0.8.0 takes `rotary_base` and `rotary_scaling` from config.json, which no checkpoint calls so."""
    if "rope_theta" in config:
        config["rotary_base"] = config["rope_theta"]
    if config.get("rope_scaling") is not None:
        config["rotary_scaling"] = config["rope_scaling"]
