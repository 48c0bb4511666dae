"""Checkpoints with real tensors of made-up values, written without torch: safetensors by the format's own words."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

WIDTH = {"F32": 4, "F16": 2, "BF16": 2, "I8": 1}

Shapes = Mapping[str, Sequence[int]]


def content(name: str, dtype: str, shape: Sequence[int]) -> bytes:
    """The bytes of a tensor: different for each name, the same at every call."""
    size = math.prod(shape) * WIDTH[dtype]
    return hashlib.shake_128(name.encode()).digest(size)


def safetensors(shapes: Shapes, dtype: str = "F16") -> bytes:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, shape in shapes.items():
        tensor = content(name, dtype, shape)
        header[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [len(data), len(data) + len(tensor)],
        }
        data += tensor
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def tensors(file: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    """Type, shape and bytes of every tensor of a file."""
    data = file.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    body = data[8 + length :]
    return {
        name: (facts["dtype"], tuple(facts["shape"]), body[slice(*facts["data_offsets"])])
        for name, facts in header.items()
    }


def all_tensors(directory: Path) -> dict[str, tuple[str, tuple[int, ...], bytes]]:
    return {
        name: tensor
        for file in sorted(directory.glob("*.safetensors"))
        for name, tensor in tensors(file).items()
    }


def write(directory: Path, config: Mapping[str, object], *files: Shapes, dtype: str = "F16") -> Path:
    """Write config.json and one file of weights for each of `files`, with an index where there are several."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(config))
    names = ["model.safetensors"][: len(files)]
    if len(files) > 1:
        names = [f"model-{n:05}-of-{len(files):05}.safetensors" for n in range(1, len(files) + 1)]
        placed = {tensor: name for name, shapes in zip(names, files, strict=True) for tensor in shapes}
        (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": placed}))
    for name, shapes in zip(names, files, strict=True):
        (directory / name).write_bytes(safetensors(shapes, dtype))
    return directory


def llama_shapes(
    layers: int = 1, *, head: bool = True, hidden: int = 8, vocabulary: int = 12
) -> dict[str, Sequence[int]]:
    """The tensors of a LLaMA with two heads and one key-value head."""
    shapes: dict[str, Sequence[int]] = {"model.embed_tokens.weight": (vocabulary, hidden)}
    for layer in range(layers):
        prefix = f"model.layers.{layer}"
        shapes |= {
            f"{prefix}.input_layernorm.weight": (hidden,),
            f"{prefix}.self_attn.q_proj.weight": (hidden, hidden),
            f"{prefix}.self_attn.k_proj.weight": (hidden // 2, hidden),
            f"{prefix}.self_attn.v_proj.weight": (hidden // 2, hidden),
            f"{prefix}.self_attn.o_proj.weight": (hidden, hidden),
            f"{prefix}.mlp.gate_proj.weight": (16, hidden),
            f"{prefix}.mlp.up_proj.weight": (16, hidden),
            f"{prefix}.mlp.down_proj.weight": (hidden, 16),
            f"{prefix}.post_attention_layernorm.weight": (hidden,),
        }
    shapes["model.norm.weight"] = (hidden,)
    if head:
        shapes["lm_head.weight"] = (vocabulary, hidden)
    return shapes


LLAMA: dict[str, object] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 12,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-6,
    "hidden_act": "silu",
    "torch_dtype": "float16",
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
}

INTERNLM2: dict[str, object] = {
    **LLAMA,
    "model_type": "internlm2",
    "architectures": ["InternLM2ForCausalLM"],
    "auto_map": {"AutoModelForCausalLM": "modeling_internlm2.InternLM2ForCausalLM"},
    "attn_implementation": "eager",
    "bias": False,
    "hidden_size": 24,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
}


def internlm2_shapes(layers: int = 1, hidden: int = 24, vocabulary: int = 12) -> dict[str, Sequence[int]]:
    """The tensors of an InternLM2 with six heads of four, and two key-value heads."""
    shapes: dict[str, Sequence[int]] = {"model.tok_embeddings.weight": (vocabulary, hidden)}
    for layer in range(layers):
        prefix = f"model.layers.{layer}"
        shapes |= {
            f"{prefix}.attention.wqkv.weight": (2 * (3 + 2) * 4, hidden),
            f"{prefix}.attention.wo.weight": (hidden, hidden),
            f"{prefix}.feed_forward.w1.weight": (16, hidden),
            f"{prefix}.feed_forward.w2.weight": (hidden, 16),
            f"{prefix}.feed_forward.w3.weight": (16, hidden),
            f"{prefix}.attention_norm.weight": (hidden,),
            f"{prefix}.ffn_norm.weight": (hidden,),
        }
    return {**shapes, "model.norm.weight": (hidden,), "output.weight": (vocabulary, hidden)}
