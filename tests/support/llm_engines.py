"""Engines over the LLM API of whatever `tensorrt_llm` can be imported, for tiny checkpoints that nobody reads."""

from __future__ import annotations

import json
from pathlib import Path

from djl_trtllm.core import CompiledModel
from djl_trtllm.engines.base import Engine
from djl_trtllm.engines.trtllm.llm_runtime import TensorRTLLMPyTorch
from djl_trtllm.options import sources
from djl_trtllm.ranks import Solo
from tests.support import checkpoints

CONTEXT = 640
SLOTS = 4
VOCABULARY = 512


def checkpoint(directory: Path, eos: int | list[int] | None = None, **config: object) -> CompiledModel:
    """Write a checkpoint of a few bytes."""
    values = {
        "architectures": ["LlamaForCausalLM"],
        "vocab_size": VOCABULARY,
        "max_position_embeddings": CONTEXT,
    }
    checkpoints.write(directory, **{**values, **config})
    if eos is not None:
        (directory / "generation_config.json").write_text(json.dumps({"eos_token_id": eos}))
    return CompiledModel(directory, "a tiny llama")


def llm_engine(model: CompiledModel, **options: object) -> Engine:
    """Make an engine, not yet open."""
    values = {"runtime": "trtllm-pytorch", "max_rolling_batch_size": SLOTS, "max_output_len": 1024, **options}
    properties = {f"option.{name}": str(value) for name, value in values.items()}
    return TensorRTLLMPyTorch().engine(model, sources.read(properties, {}), Solo())
