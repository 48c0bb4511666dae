"""Options that change or contradict a checkpoint's config.json: rotary embeddings and the model versions.

The rules are the guide's: rotary_base and rotary_scaling_* for models with rotary embeddings, rotary_dim for
GPT-J only, *_model_version for families whose checkpoints once did not say which they are.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from djl_trtllm.core import Checkpoint
from djl_trtllm.errors import OptionsError
from djl_trtllm.model.families import Family

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

_SCALING = ["rotary_scaling_type", "rotary_scaling_factor"]
_ROTARY = ["rotary_base", *_SCALING]
_logger = logging.getLogger(__name__)


def check(checkpoint: Checkpoint, kind: Family, options: Options) -> None:
    """Raise `OptionsError` for every model version that contradicts the checkpoint."""
    problems = [
        f"option.{name}={value} contradicts {checkpoint.origin}, which is a {kind.title} model"
        f" (type {kind.model_type}). Remove the option: the type is read from the checkpoint."
        for name, value, fits in (
            ("baichuan_model_version", options.baichuan_model_version, False),
            ("chatglm_model_version", options.chatglm_model_version, False),
            ("gpt_model_version", options.gpt_model_version, options.gpt_model_version in kind.gpt_versions),
        )
        if value is not None and not fits
    ]
    if problems:
        raise OptionsError(*problems)


def effective(kind: Family, values: Mapping[str, object]) -> dict[str, object]:
    """Leave out rotary options that mean nothing for the family or this runtime, and say so."""
    unused = [name for name in _ROTARY if not kind.rotary] + ([] if kind.rotary_dim else ["rotary_dim"])
    for name in unused:
        if name in values:
            _logger.warning("option.%s has no effect: %s models have no such parameter", name, kind.title)
    if values.get("rotary_scaling_type") == "dynamic" and kind.rotary:
        _logger.warning(
            "option.rotary_scaling_type=dynamic has no effect: an OpenVINO model keeps one rotary table, so texts"
            " stay within the positions the checkpoint was made for; linear stretches them"
        )
        unused += _SCALING
    return {name: value for name, value in values.items() if name not in unused}


def position_factor(kind: Family, options: Options) -> float:
    """Return how much longer than the checkpoint says a text may become."""
    return options.rotary_scaling_factor or 1.0 if _stretched(kind, options) else 1.0


def _stretched(kind: Family, options: Options) -> bool:
    # A dynamic table depends on the length of the text. The exporter traces one length and freezes it: compared
    # with transformers, 1,500 tokens on 1,024 positions give other logits, up to 1,024 the same.
    return kind.rotary and options.rotary_scaling_type == "linear"


def patched(checkpoint: Checkpoint, kind: Family, options: Options) -> dict[str, object] | None:
    """Return the config.json that the options make of the checkpoint's; None when it stays as it is."""
    config = dict(checkpoint.config)
    if kind.rotary_dim and options.rotary_dim is not None:
        config["rotary_dim"] = options.rotary_dim
    if kind.rotary and options.rotary_base is not None:
        _set_rotary(config, "rope_theta", options.rotary_base)
    if _stretched(kind, options):
        _set_scaling(config, options.rotary_scaling_factor or 1.0)
    return config if config != checkpoint.config else None


def _set_rotary(config: dict[str, object], name: str, value: float) -> None:
    """Set the base where this checkpoint keeps it: transformers 5 nests it, older files have it at the top."""
    nested = config.get("rope_parameters")
    if isinstance(nested, dict):
        config["rope_parameters"] = {**nested, name: value}
    elif config.get("model_type") == "gpt_neox":
        config["rotary_emb_base"] = value
    else:
        config[name] = value


def _set_scaling(config: dict[str, object], factor: float) -> None:
    scaling = {"rope_type": "linear", "factor": factor}
    nested = config.get("rope_parameters")
    if isinstance(nested, dict):
        kept = {name: nested[name] for name in ("rope_theta", "partial_rotary_factor") if name in nested}
        config["rope_parameters"] = {**kept, **scaling}
    else:
        config["rope_scaling"] = scaling
