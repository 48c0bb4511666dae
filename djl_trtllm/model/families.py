"""The architectures that are served, and what differs between them.

A family is one `model_type` of config.json. Being listed means that greedy output has been compared with
transformers' own, token for token, alone and with others in one batch.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from djl_trtllm.core import Checkpoint
from djl_trtllm.errors import UnsupportedModel


@dataclass(frozen=True, slots=True)
class Family:
    """One architecture. The flags say which of the guide's options mean something for it.

    `rotary`: rotary_base and rotary_scaling_*; `rotary_dim`: rotary_dim; `gpt_versions`: the values of
    gpt_model_version that describe it.
    """

    model_type: str
    title: str
    rotary: bool = False
    rotary_dim: bool = False
    gpt_versions: frozenset[str] = frozenset()


_ALL = (
    Family("llama", "LLaMA", rotary=True),
    Family("mistral", "Mistral", rotary=True),
    Family("mixtral", "Mixtral", rotary=True),
    Family("qwen2", "Qwen 2", rotary=True),
    Family("qwen3", "Qwen 3", rotary=True),
    Family("gpt2", "GPT-2", gpt_versions=frozenset(("gpt2",))),
    Family("gpt_bigcode", "GPT BigCode", gpt_versions=frozenset(("santacoder", "starcoder"))),
    Family("gptj", "GPT-J", rotary_dim=True),
    Family("falcon", "Falcon", rotary=True),
    Family("phi3", "Phi-3", rotary=True),
    Family("opt", "OPT"),
    Family("gpt_neox", "GPT-NeoX", rotary=True),
    Family("glm4", "GLM-4", rotary=True),
)

FAMILIES: Mapping[str, Family] = {family.model_type: family for family in _ALL}

_POSITION_KEYS = ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length")


def family(checkpoint: Checkpoint) -> Family:
    """Return the family of a checkpoint; `UnsupportedModel` names what it is and what there is instead."""
    known = FAMILIES.get(checkpoint.model_type)
    if known is not None:
        return known
    nearest = difflib.get_close_matches(checkpoint.model_type, FAMILIES, n=1, cutoff=0.6)
    hint = f" The nearest is {nearest[0]}, which is another architecture." if nearest else ""
    raise UnsupportedModel(
        f"{checkpoint.origin} is a model of type {checkpoint.model_type!r}{_classes(checkpoint)}, which is not"
        f" supported.{hint} Supported types: {', '.join(FAMILIES)}."
    )


def _classes(checkpoint: Checkpoint) -> str:
    classes = checkpoint.config.get("architectures")
    return f" ({', '.join(map(str, classes))})" if isinstance(classes, list) and classes else ""


def max_positions(config: Mapping[str, object]) -> int | None:
    """Return the longest sequence a model was made for, in tokens; None where its config.json does not say."""
    for key in _POSITION_KEYS:
        value = config.get(key)
        if isinstance(value, int) and value > 0:
            return value
    return None
