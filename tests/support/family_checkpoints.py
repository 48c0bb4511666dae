"""Tiny checkpoints of TensorRT-LLM's families: a whole config.json and tensors of the right names and shapes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours import layouts
from tests.contract.tensorrt_llm_stand_in.behaviours.hf_config import HfConfig

LLAMA = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 32,
    "vocab_size": 64,
    "max_position_embeddings": 128,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
}
GPT = {
    "n_embd": 16,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 128,
    "vocab_size": 64,
    "torch_dtype": "float16",
}
WIDE = {name: value for name, value in LLAMA.items() if name != "num_key_value_heads"}
GLM = {
    "num_layers": 2,
    "hidden_size": 16,
    "num_attention_heads": 4,
    "ffn_hidden_size": 32,
    "padded_vocab_size": 64,
}

FAMILIES: dict[str, tuple[str, dict[str, Any], Any]] = {
    "llama": ("LlamaForCausalLM", LLAMA, layouts.llama),
    "mistral": ("MistralForCausalLM", LLAMA, layouts.llama),
    "mixtral": ("MixtralForCausalLM", {**LLAMA, "num_local_experts": 2}, layouts.llama),
    "internlm": ("InternLMForCausalLM", {**WIDE, "auto_map": {}}, layouts.llama),
    "internlm2": ("InternLM2ForCausalLM", {**LLAMA, "auto_map": {}}, layouts.anything),
    "qwen2": ("Qwen2ForCausalLM", LLAMA, layouts.llama),
    "qwen": ("QWenLMHeadModel", {**WIDE, "intermediate_size": 64, "rotary_emb_base": 10000}, layouts.qwen),
    "falcon": ("FalconForCausalLM", {**WIDE, "multi_query": True}, layouts.falcon),
    "gptj": ("GPTJForCausalLM", {**GPT, "rotary_dim": 4}, layouts.gptj),
    "gpt2": ("GPT2LMHeadModel", GPT, layouts.gpt2),
    "gpt_bigcode": ("GPTBigCodeForCausalLM", {**GPT, "multi_query": True}, layouts.starcoder),
    "starcoder2": ("Starcoder2ForCausalLM", LLAMA, layouts.starcoder2),
    "baichuan": ("BaichuanForCausalLM", {**WIDE, "auto_map": {}}, layouts.baichuan),
    "chatglm": (
        "ChatGLMModel",
        {**GLM, "auto_map": {}, "multi_query_attention": True, "multi_query_group_num": 2},
        layouts.chatglm,
    ),
    "phi": ("PhiForCausalLM", LLAMA, layouts.llama),
}
"""Architecture, config.json, and the tensors, by model type."""

HEADS = ("llama", "mistral", "mixtral", "internlm", "internlm2", "qwen2", "phi")
"""Families whose layout leaves the untied head to the caller."""


def write(directory: Path, family: str, *, without: tuple[str, ...] = (), **config: Any) -> Path:
    """Write a checkpoint; `config` is laid over the family's, None takes a key out, `without` leaves tensors out."""
    architecture, values, layout = FAMILIES[family]
    merged = {"model_type": family, "architectures": [architecture], **values, **config}
    raw = {name: value for name, value in merged.items() if value is not None}
    hf = HfConfig(raw)
    tensors = {name: shape or (4,) for name, shape in layout(hf)}
    if family in HEADS and not raw.get("tie_word_embeddings"):
        tensors["lm_head.weight"] = (hf.fact("vocab"), hf.fact("hidden"))
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(raw), encoding="utf-8")
    kept = {name: shape for name, shape in tensors.items() if name not in without}
    (directory / "model.safetensors").write_bytes(safetensors(kept))
    return directory


def safetensors(tensors: dict[str, tuple[int, ...]]) -> bytes:
    """Return a file of float16 tensors that are all zero."""
    header: dict[str, Any] = {}
    offset = 0
    for name, shape in tensors.items():
        size = 2
        for length in shape:
            size *= length
        header[name] = {"dtype": "F16", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(offset)


def calibration(directory: Path, rows: int = 512, *, readme: bool = True) -> Path:
    """Write a calibration set as every loader of the library takes it."""
    directory.mkdir(parents=True, exist_ok=True)
    if readme:
        front = "configs:\n- config_name: 3.0.0\n  data_files:\n  - split: train\n    path: train.jsonl\n"
        (directory / "README.md").write_text(f"---\n{front}---\n", encoding="utf-8")
    line = json.dumps({"article": "a", "text": "a"}) + "\n"
    (directory / "train.jsonl").write_text(line * rows, encoding="utf-8")
    return directory
