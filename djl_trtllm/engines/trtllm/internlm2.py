"""An InternLM2 checkpoint as the LLaMA checkpoint that it is, but for names and the way q, k and v are stored.

TensorRT-LLM up to 0.14 has InternLM2 in its table of models and cannot convert it. Its own script for it, outside of
the wheel, views `wqkv` as [kv heads, queries per kv head + 2, head size, hidden size] and takes it apart; so does this,
and converting the result as LLaMA was bit-identical to that script for one and for two ranks.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

from djl_trtllm.engines.trtllm.weight_files import Tensor
from djl_trtllm.errors import CompileError

MODEL_TYPE = "internlm2"
_FUSED = re.compile(r"(model\.layers\.\d+)\.attention\.wqkv\.(weight|bias)")
_LAYER = re.compile(r"(model\.layers\.\d+)\.(.+)\.(weight|bias)")
_IN_LAYER = {
    "attention.wo": "self_attn.o_proj",
    "feed_forward.w1": "mlp.gate_proj",
    "feed_forward.w3": "mlp.up_proj",
    "feed_forward.w2": "mlp.down_proj",
    "attention_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_OUTSIDE = {
    "model.tok_embeddings.weight": "model.embed_tokens.weight",
    "model.norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}
_NOT_LLAMA = ("auto_map", "attn_implementation", "bias")
_SHAPE = ("num_attention_heads", "num_key_value_heads", "hidden_size")


def config_as_llama(config: Mapping[str, object]) -> dict[str, object]:
    """Return the config.json of the LLaMA model with the same weights."""
    kept = {name: value for name, value in config.items() if name not in _NOT_LLAMA}
    return {
        **kept,
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": bool(config.get("bias", False)),
    }


def tensors_as_llama(tensors: Mapping[str, Tensor], config: Mapping[str, object]) -> dict[str, Tensor]:
    """Return the tensors under LLaMA's names, q, k and v apart. `CompileError` for what is not InternLM2."""
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        fused = _FUSED.fullmatch(name)
        if fused is not None:
            for letter, part in zip("qkv", _split(name, tensor, config), strict=True):
                renamed[f"{fused[1]}.self_attn.{letter}_proj.{fused[2]}"] = part
        else:
            renamed[_name(name)] = tensor
    return renamed


def _name(name: str) -> str:
    layer = _LAYER.fullmatch(name)
    found = _OUTSIDE.get(name)
    if found is None and layer is not None and layer[2] in _IN_LAYER:
        found = f"{layer[1]}.{_IN_LAYER[layer[2]]}.{layer[3]}"
    if found is None:
        raise CompileError(f"The weight {name} is not one of an InternLM2 model, so it cannot be converted.")
    return found


def _split(name: str, tensor: Tensor, config: Mapping[str, object]) -> tuple[Tensor, Tensor, Tensor]:
    """Take [kv, queries + 2, head size, ...] apart into its queries, its last but one and its last."""
    heads, kv_heads, hidden = (_number(config, key) for key in _SHAPE)
    queries, head_size = heads // kv_heads, hidden // heads
    if tensor.shape[0] != kv_heads * (queries + 2) * head_size:
        raise CompileError(
            f"The weight {name} has {tensor.shape[0]} rows; {heads} heads, {kv_heads} key-value heads and a hidden size"
            f" of {hidden} in config.json ask for {kv_heads * (queries + 2) * head_size}."
        )
    group = (queries + 2) * head_size
    borders = (0, queries * head_size, (queries + 1) * head_size, group)
    q, k, v = (
        Tensor(
            tensor.dtype,
            (kv_heads * (end - begin), *tensor.shape[1:]),
            [piece for kv in range(kv_heads) for piece in tensor.rows(kv * group + begin, kv * group + end)],
        )
        for begin, end in itertools.pairwise(borders)
    )
    return q, k, v


def _number(config: Mapping[str, object], key: str) -> int:
    value = config.get(key, config.get("num_attention_heads") if key == "num_key_value_heads" else None)
    if not isinstance(value, int) or value <= 0:
        raise CompileError(f"config.json says no {key}, without which its weights cannot be taken apart.")
    return value
