"""What the LLM API loads: a Hugging Face checkpoint, with the limits that its arguments set."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.kv_cache import PRETEND_TOKENS, capacity
from tests.contract.tensorrt_llm_stand_in.behaviours.limits import Limits
from tests.contract.tensorrt_llm_stand_in.behaviours.request_job import given

DEFAULT_BATCH, DEFAULT_NUM_TOKENS, DEFAULT_SEQ_LEN = 2048, 8192, 4096


@dataclass(frozen=True, slots=True)
class Model:
    """Lengths in tokens; `kv_tokens` is what the KV cache holds. `ends`: the end ids of the checkpoint."""

    vocab_size: int
    max_seq_len: int
    max_batch_size: int
    max_num_tokens: int
    max_beam_width: int
    tokens_per_block: int
    kv_tokens: int
    reuse: bool
    evict: bool
    chunked: bool
    ends: tuple[int, ...]


def load(path: str | Path, arguments: dict[str, Any], library: Any) -> Model:
    """Return what a checkpoint and the arguments of the constructor come to. Raises ValueError and RuntimeError."""
    directory = Path(path)
    if not (directory / "config.json").is_file():
        raise RuntimeError(
            f"{directory} has no config.json: no local checkpoint, and nothing is downloaded here"
        )
    config = json.loads((directory / "config.json").read_bytes())
    if not config.get("architectures"):
        raise ValueError(f"{directory}/config.json names no architectures: no Hugging Face checkpoint")
    if not any(directory.glob("*.safetensors")) and not any(directory.glob("*.bin")):
        raise RuntimeError(f"No weight files found in {directory}.")
    _check_gpus(arguments, library)
    numbers = ("max_batch_size", "max_input_len", "max_seq_len", "max_beam_width", "max_num_tokens")
    for name in numbers:
        if arguments.get(name) is not None and arguments[name] <= 0:
            raise ValueError(f"1 validation error for LlmArgs: {name} must be greater than 0")
    text = config.get("text_config", config)
    ends = text.get("eos_token_id")
    generation = directory / "generation_config.json"
    if generation.is_file():
        ends = json.loads(generation.read_bytes()).get("eos_token_id", ends)
    if arguments.get("skip_tokenizer_init"):
        ends = None
    return Model(
        vocab_size=text["vocab_size"],
        max_seq_len=arguments.get("max_seq_len") or text.get("max_position_embeddings", DEFAULT_SEQ_LEN),
        max_batch_size=arguments.get("max_batch_size") or DEFAULT_BATCH,
        max_num_tokens=arguments.get("max_num_tokens") or DEFAULT_NUM_TOKENS,
        max_beam_width=arguments.get("max_beam_width") or 1,
        chunked=bool(arguments.get("enable_chunked_prefill")),
        ends=tuple(ends) if isinstance(ends, list) else () if ends is None else (ends,),
        **_cache(arguments, library),
    )


def of_engine(engine: Limits, arguments: dict[str, Any], library: Any) -> Model:
    """Return what an engine and the arguments of the constructor come to; it has no end ids of its own."""
    return Model(
        vocab_size=engine.vocab_size,
        max_seq_len=engine.max_seq_len,
        max_batch_size=arguments.get("max_batch_size") or engine.max_batch_size,
        max_num_tokens=engine.max_seq_len,
        max_beam_width=engine.max_beam_width,
        chunked=bool(arguments.get("enable_chunked_prefill")),
        ends=(),
        **{**_cache(arguments, library), "tokens_per_block": engine.tokens_per_block},
    )


def _cache(arguments: dict[str, Any], library: Any) -> dict[str, Any]:
    kv, scheduler = arguments.get("kv_cache_config"), arguments.get("scheduler_config")
    policy = given(scheduler, "capacity_scheduler_policy")
    return {
        "tokens_per_block": given(kv, "tokens_per_block", default=32),
        "kv_tokens": capacity(
            given(kv, "max_tokens"),
            given(kv, "free_gpu_memory_fraction"),
            library.knobs.options.get("kv_tokens", PRETEND_TOKENS),
        ),
        "reuse": bool(given(kv, "enable_block_reuse", default=True)),
        "evict": getattr(policy, "name", None) == "MAX_UTILIZATION",
    }


def _check_gpus(arguments: dict[str, Any], library: Any) -> None:
    wanted = arguments.get("tensor_parallel_size", 1) * arguments.get("pipeline_parallel_size", 1)
    count = library.knobs.gpu.count
    if count == 0:
        raise RuntimeError("No CUDA GPUs are available")
    if wanted > count:
        raise RuntimeError(f"World size {wanted} is larger than the number of available GPUs ({count})")
