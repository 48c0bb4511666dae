"""One small checkpoint of each family that TensorRT-LLM compiles: names and shapes that its conversion asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from djl_trtllm.core import Checkpoint
from djl_trtllm.model import checkpoint
from tests.contract.tensorrt_llm_stand_in.behaviours import layouts
from tests.contract.tensorrt_llm_stand_in.behaviours.hf_config import HfConfig
from tests.support import raw_checkpoints
from tests.support.raw_checkpoints import INTERNLM2, LLAMA, internlm2_shapes

_GPT = {
    "n_embd": 8,
    "n_layer": 1,
    "n_head": 2,
    "n_positions": 2048,
    "vocab_size": 12,
    "torch_dtype": "float16",
}
_REMOTE = {"auto_map": {"AutoConfig": "configuration.Config"}}

CONFIGS: Mapping[str, dict[str, Any]] = {
    "llama": LLAMA,
    "mistral": {**LLAMA, "model_type": "mistral", "architectures": ["MistralForCausalLM"]},
    "mixtral": {
        **LLAMA,
        "model_type": "mixtral",
        "architectures": ["MixtralForCausalLM"],
        "num_local_experts": 2,
        "num_experts_per_tok": 1,
    },
    "internlm": {**LLAMA, **_REMOTE, "model_type": "internlm", "architectures": ["InternLMForCausalLM"]},
    "internlm2": INTERNLM2,
    "falcon": {
        **LLAMA,
        "model_type": "falcon",
        "architectures": ["FalconForCausalLM"],
        "multi_query": True,
        "alibi": False,
    },
    "baichuan": {
        **LLAMA,
        **_REMOTE,
        "model_type": "baichuan",
        "architectures": ["BaichuanForCausalLM"],
        "num_key_value_heads": 2,
    },
    "chatglm": {
        **_REMOTE,
        "model_type": "chatglm",
        "architectures": ["ChatGLMModel"],
        "_name_or_path": "THUDM/chatglm3-6b",
        "hidden_size": 8,
        "num_layers": 1,
        "num_attention_heads": 2,
        "multi_query_attention": True,
        "multi_query_group_num": 1,
        "padded_vocab_size": 12,
        "ffn_hidden_size": 16,
        "seq_length": 2048,
        "torch_dtype": "float16",
    },
    "gptj": {**_GPT, "model_type": "gptj", "architectures": ["GPTJForCausalLM"], "rotary_dim": 4},
    "qwen": {
        **LLAMA,
        **_REMOTE,
        "model_type": "qwen",
        "architectures": ["QWenLMHeadModel"],
        "num_key_value_heads": 2,
        "rotary_emb_base": 10000,
    },
    "qwen2": {**LLAMA, "model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]},
    "qwen3": {**LLAMA, "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]},
    "gpt2": {**_GPT, "model_type": "gpt2", "architectures": ["GPT2LMHeadModel"]},
    "starcoder": {
        **_GPT,
        "model_type": "gpt_bigcode",
        "architectures": ["GPTBigCodeForCausalLM"],
        "multi_query": True,
    },
    "starcoder2": {**LLAMA, "model_type": "starcoder2", "architectures": ["Starcoder2ForCausalLM"]},
    "phi": {**LLAMA, "model_type": "phi", "architectures": ["PhiForCausalLM"]},
    "phi3": {**LLAMA, "model_type": "phi3", "architectures": ["Phi3ForCausalLM"]},
    "gemma": {**LLAMA, "model_type": "gemma", "architectures": ["GemmaForCausalLM"]},
}

_LAYOUTS: Mapping[str, Callable[[HfConfig], Any]] = {
    "falcon": layouts.falcon,
    "baichuan": layouts.baichuan,
    "chatglm": layouts.chatglm,
    "gptj": layouts.gptj,
    "qwen": layouts.qwen,
    "gpt2": layouts.gpt2,
    "starcoder": layouts.starcoder,
    "starcoder2": layouts.starcoder2,
}

NEEDS: Mapping[str, dict[str, object]] = {
    "baichuan": {"trust_remote_code": True, "baichuan_model_version": "v1_7b"},
    "chatglm": {"trust_remote_code": True},
    "internlm": {"trust_remote_code": True},
    "qwen": {"trust_remote_code": True},
}
"""Options without which a family is not compiled."""


def write(directory: Path, family: str, **config: object) -> Checkpoint:
    """Write the checkpoint of a family, with other values in its config.json, and read it."""
    content = {**CONFIGS[family], **config}
    if family == "internlm2":
        shapes = internlm2_shapes()
    else:
        wanted = _LAYOUTS.get(family, layouts.llama)(HfConfig(content))
        shapes = {name: shape or (4, 4) for name, shape in wanted}
        if family in ("llama", "mistral", "mixtral", "internlm", "qwen2", "qwen3"):
            shapes["lm_head.weight"] = (content["vocab_size"], content["hidden_size"])
    return checkpoint.read(raw_checkpoints.write(directory, content, shapes), f"my {family}")
