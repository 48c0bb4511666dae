"""Checkpoints of real size without their weights: headers of real tensors, and files with a hole behind them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from djl_trtllm.core import Checkpoint
from djl_trtllm.model import checkpoint

LLAMA_3_8B: dict[str, Any] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "torch_dtype": "bfloat16",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
    "vocab_size": 128256,
    "tie_word_embeddings": False,
}
SMOLLM2_135M: dict[str, Any] = {
    **LLAMA_3_8B,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "vocab_size": 49152,
    "tie_word_embeddings": True,
}
LLAMA_3_8B_PARAMETERS = 8_030_261_248
"""As its model card counts them."""


def llama_shapes(config: Mapping[str, Any]) -> dict[str, Sequence[int]]:
    """The tensors of a LLaMA."""
    hidden, inner, vocabulary = (config[n] for n in ("hidden_size", "intermediate_size", "vocab_size"))
    heads, kv_heads = config["num_attention_heads"], config["num_key_value_heads"]
    kept = hidden // heads * kv_heads
    shapes: dict[str, Sequence[int]] = {"model.embed_tokens.weight": (vocabulary, hidden)}
    for layer in range(config["num_hidden_layers"]):
        of_layer = {
            "input_layernorm": (hidden,),
            "self_attn.q_proj": (hidden, hidden),
            "self_attn.k_proj": (kept, hidden),
            "self_attn.v_proj": (kept, hidden),
            "self_attn.o_proj": (hidden, hidden),
            "mlp.gate_proj": (inner, hidden),
            "mlp.up_proj": (inner, hidden),
            "mlp.down_proj": (hidden, inner),
            "post_attention_layernorm": (hidden,),
        }
        shapes |= {f"model.layers.{layer}.{name}.weight": shape for name, shape in of_layer.items()}
    shapes["model.norm.weight"] = (hidden,)
    if not config.get("tie_word_embeddings"):
        shapes["lm_head.weight"] = (vocabulary, hidden)
    return shapes


def write(directory: Path, config: Mapping[str, Any] = LLAMA_3_8B, **changes: object) -> Checkpoint:
    """Write the checkpoint of a LLaMA and read it; it takes no room on a disk that knows holes."""
    content = {**config, **changes}
    dtype, width = ("F32", 4) if content["torch_dtype"] == "float32" else ("BF16", 2)
    header: dict[str, Any] = {}
    end = 0
    for name, shape in llama_shapes(content).items():
        begin, end = end, end + math.prod(shape) * width
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(content))
    with (directory / "model.safetensors").open("wb") as stream:
        stream.write(len(text).to_bytes(8, "little") + text)
        stream.truncate(8 + len(text) + end)
    return checkpoint.read(directory, "my model")
