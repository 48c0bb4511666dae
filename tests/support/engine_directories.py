"""Engine directories as TensorRT-LLM's builder lays them out; the engines themselves are a few bytes."""

import json
from pathlib import Path
from typing import Any


def config(
    version: str | None = "0.12.0", tp: int = 1, pp: int = 1, build: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the config.json of 0.8 and later."""
    limits = {"max_input_len": 1024, "max_seq_len": 1536, "max_batch_size": 8, "max_beam_width": 1}
    plugins = {"paged_kv_cache": True, "tokens_per_block": 64, "use_paged_context_fmha": True}
    return {
        "version": version,
        "pretrained_config": {
            "architecture": "LlamaForCausalLM",
            "dtype": "float16",
            "vocab_size": 32000,
            "max_position_embeddings": 4096,
            "mapping": {"world_size": tp * pp, "tp_size": tp, "pp_size": pp},
        },
        "build_config": {**limits, "max_num_tokens": 8192, "plugin_config": plugins, **(build or {})},
    }


def legacy_config(tp: int = 1, pp: int = 1) -> dict[str, Any]:
    """Return the config.json of the build.py scripts up to 0.7, and of GPT and Qwen at 0.8."""
    return {
        "builder_config": {
            "name": "gpt",
            "precision": "float16",
            "tensor_parallel": tp,
            "pipeline_parallel": pp,
            "max_batch_size": 8,
            "max_beam_width": 1,
            "max_input_len": 200,
            "max_output_len": 100,
            "max_num_tokens": None,
            "vocab_size": 50257,
        },
        "plugin_config": {"paged_kv_cache": True, "tokens_per_block": 128},
    }


def write(directory: Path, content: dict[str, Any], ranks: int = 1, name: str = "rank{}.engine") -> Path:
    """Write a directory of engines, one file a rank."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(content))
    for rank in range(ranks):
        (directory / name.format(rank)).write_bytes(b"an engine")
    return directory


def lmi(
    root: Path, content: dict[str, Any], ranks: int = 1, pbtxt: str = "", name: str = "rank{}.engine"
) -> Path:
    """Write a model repository as LMI 0.25 to 0.32 takes it: `<root>/llama/1/` with its text files one level up."""
    write(root / "llama" / "1", content, ranks, name)
    (root / "llama" / "config.pbtxt").write_text(pbtxt)
    (root / "llama" / "tokenizer_config.json").write_text("{}")
    return root
