"""What a model weighs and what a token costs it, from config.json and the headers of its weights.

No weights are loaded: a safetensors file says in its header what every tensor is. Names of config.json differ between
families; what is read under which name was compared with the exported models of every family in `families.py`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from djl_trtllm.core import Checkpoint
from djl_trtllm.model.checkpoint import weights_bytes
from djl_trtllm.model.families import max_positions

_LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_HEADS = ("num_attention_heads", "n_head", "n_heads", "num_heads")
_HIDDEN = ("hidden_size", "n_embd", "d_model")
_HEAD_SIZE = ("head_dim", "kv_channels")
_KV_HEADS = ("num_key_value_heads", "num_kv_heads", "n_head_kv", "multi_query_group_num")
_CONTEXT = ("model_max_length", "max_sequence_length")
"""Of Baichuan 2 13B and ChatGLM 6B, which have no number of positions."""
_VOCABULARY = ("padded_vocab_size", "vocab_size")
_FALCON = ("falcon", "RefinedWeb", "RefinedWebModel")
_MANY_TIED = ("gpt2", "gpt_bigcode", "falcon", "gemma", "gemma2", "opt")
"""Families whose output layer is the embedding where config.json does not say."""
_MAX_HEADER = 100 * 2**20


@dataclass(frozen=True, slots=True)
class Attention:
    """What attention keeps of a token: a key and a value of `head_size` numbers for each KV head of each layer.

    `window` is the sliding window in tokens where every layer has one. No runtime here frees what lies before it, so
    it makes the KV cache no smaller.
    """

    layers: int
    heads: int
    kv_heads: int
    head_size: int
    window: int | None = None

    def bytes_per_token(self, width: float) -> float:
        """Return what one token takes in the KV cache of the whole model; `width` is bytes a number."""
        return 2 * self.layers * self.kv_heads * self.head_size * width


@dataclass(frozen=True, slots=True)
class Sizes:
    """One model. None where its files do not say.

    `stored_bytes` is the size of its weight files. `parameters` are counted from the tensors; of those, `vocabulary`
    are in tables with a row per token (embedding and output layer), which quantising mostly leaves alone. `tied` says
    that both are one table. `context` is the most tokens that it was made for, `hidden` the width of a layer.
    """

    stored_bytes: int
    parameters: int | None
    vocabulary: int
    tied: bool
    hidden: int | None
    attention: Attention | None
    context: int | None


def of(checkpoint: Checkpoint) -> Sizes:
    """Return the sizes of a checkpoint; reads its config.json and the headers of its weight files only."""
    config = _text_part(checkpoint.config)
    parameters, vocabulary = _counted(checkpoint.path, config)
    return Sizes(
        stored_bytes=weights_bytes(checkpoint),
        parameters=parameters or None,
        vocabulary=vocabulary,
        tied=bool(config.get("tie_word_embeddings", checkpoint.model_type in _MANY_TIED)),
        hidden=_number(config, *_HIDDEN),
        attention=attention(config),
        context=max_positions(config) or _number(config, *_CONTEXT),
    )


def attention(config: Mapping[str, object]) -> Attention | None:
    """Return what a config.json says of attention; None where it does not say enough."""
    config = _text_part(config)
    layers, heads, hidden = _number(config, *_LAYERS), _number(config, *_HEADS), _number(config, *_HIDDEN)
    if not (layers and heads):
        return None
    head_size = _number(config, *_HEAD_SIZE) or (hidden // heads if hidden else None)
    if not head_size:
        return None
    return Attention(layers, heads, _kv_heads(config, heads), head_size, _window(config))


def _kv_heads(config: Mapping[str, object], heads: int) -> int:
    kind = config.get("model_type")
    if kind in _FALCON:
        # transformers' FalconConfig: multi_query counts for nothing in the new architecture.
        if config.get("new_decoder_architecture") or kind == "RefinedWeb":
            return _number(config, *_KV_HEADS) or heads
        return 1 if config.get("multi_query", True) else heads
    if kind == "gpt_bigcode":
        return 1 if config.get("multi_query", True) else heads
    if kind == "chatglm" and not config.get("multi_query_attention"):
        return heads
    return _number(config, *_KV_HEADS) or heads


def _window(config: Mapping[str, object]) -> int | None:
    window = _number(config, "sliding_window")
    kinds = config.get("layer_types")
    if isinstance(kinds, list) and any(kind != "sliding_attention" for kind in kinds):
        return None
    # Qwen's configs name a window and mostly switch it off; Gemma 2 has one in every second layer.
    kind = str(config.get("model_type"))
    used = config.get("use_sliding_window", not kind.startswith("qwen")) and kind != "gemma2"
    return window if used else None


def _counted(path: Path, config: Mapping[str, object]) -> tuple[int, int]:
    """Count the parameters, and those in tables with a row per token of the vocabulary."""
    rows = {value for name in _VOCABULARY if (value := _number(config, name))}
    packed = _packed(config)
    total = vocabulary = 0
    for name, shape in _tensors(path):
        if packed and name.endswith((".qzeros", ".scales", ".g_idx")):
            continue
        count = math.prod(shape) * (packed if packed and name.endswith(".qweight") else 1)
        total += count
        if len(shape) == 2 and shape[0] in rows:
            vocabulary += count
    return total, vocabulary


def _packed(config: Mapping[str, object]) -> int:
    """How many weights one number of a GPTQ or AWQ checkpoint holds; 0 for other checkpoints."""
    method = config.get("quantization_config")
    if not isinstance(method, Mapping) or method.get("quant_method") not in ("gptq", "awq"):
        return 0
    bits = _number(method, "bits", "w_bit")
    return 32 // bits if bits else 0


def _tensors(path: Path) -> Iterator[tuple[str, list[int]]]:
    for file in sorted(path.glob("*.safetensors")):
        with file.open("rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
            header = json.loads(stream.read(min(length, _MAX_HEADER)))
        for name, tensor in header.items():
            if name != "__metadata__":
                yield name, tensor["shape"]


def _text_part(config: Mapping[str, object]) -> Mapping[str, object]:
    nested = config.get("text_config")
    return {**config, **nested} if isinstance(nested, Mapping) else config


def _number(values: Mapping[str, object], *names: str) -> int | None:
    for name in names:
        value = values.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None
