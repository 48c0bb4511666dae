"""How many tokens of KV cache fit into so many bytes of one GPU, from the config.json of an engine directory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

_CELL_BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
_QUANTISED = ("INT8", "FP8")


def tokens_in(size: int, path: Path, tp: int, pp: int) -> int | None:
    """Return the tokens that `size` bytes hold on each rank; None where config.json does not say enough."""
    per_token = bytes_per_token(json.loads((path / "config.json").read_bytes()), tp, pp)
    return None if per_token is None else max(1, size // per_token)


def bytes_per_token(config: Mapping[str, object], tp: int, pp: int) -> int | None:
    """Return what a token takes in the KV cache of one rank: keys and values of its layers and heads."""
    if "pretrained_config" in config:
        model = _mapping(config["pretrained_config"])
        layers, heads = _number(model, "num_hidden_layers"), _number(model, "num_attention_heads")
        kv_heads = _number(model, "num_key_value_heads") or heads
        algorithm = _mapping(model.get("quantization")).get("kv_cache_quant_algo")
        one_byte = algorithm in _QUANTISED
        dtype = model.get("dtype")
    else:  # The build.py scripts of before 0.9.
        model = _mapping(config.get("builder_config"))
        layers, heads = _number(model, "num_layers"), _number(model, "num_heads")
        kv_heads = _number(model, "num_kv_heads") or heads
        one_byte = bool(model.get("int8")) or bool(model.get("int8_kv_cache"))
        dtype = model.get("precision")
    hidden = _number(model, "hidden_size")
    head_size = _number(model, "head_size") or (hidden // heads if hidden and heads else None)
    if not (layers and kv_heads and head_size):
        return None
    cell = 1 if one_byte else _CELL_BYTES.get(str(dtype), 2)
    return 2 * -(-layers // pp) * -(-kv_heads // tp) * head_size * cell


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _number(values: Mapping[str, object], name: str) -> int | None:
    value = values.get(name)
    return value if isinstance(value, int) and value > 0 else None
