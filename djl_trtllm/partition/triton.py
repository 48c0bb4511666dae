"""config.pbtxt of a repository, as Triton's tensorrtllm backend and LMI's guide have it (0.27's tutorial).

What is in it are the options that the model was partitioned with; a load takes them where it is told nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from djl_trtllm.options.table import Options

FILE = "config.pbtxt"


def render(options: Options, engines: Path) -> str:
    """Return the file's text; `engines` is the directory of the engines."""
    lines = [
        'name: "tensorrt_llm"',
        'backend: "tensorrtllm"',
        f"max_batch_size: {options.max_rolling_batch_size}",
        "model_transaction_policy { decoupled: True }",
    ]
    for key, value in _parameters(options, engines):
        lines.append(f"parameters: {{ key: {_quoted(key)} value: {{ string_value: {_quoted(value)} }} }}")
    return "\n".join(lines) + "\n"


def _parameters(options: Options, engines: Path) -> Iterator[tuple[str, str]]:
    yield "gpt_model_type", "inflight_fused_batching"
    yield "gpt_model_path", str(engines)
    yield "batch_scheduler_policy", options.batch_scheduler_policy
    yield "max_beam_width", str(options.max_beam_width)
    yield "max_num_sequences", str(options.max_num_sequences)
    yield "enable_trt_overlap", str(options.enable_trt_overlap)
    yield "enable_kv_cache_reuse", str(options.enable_kv_cache_reuse)
    yield "enable_chunked_context", str(options.enable_chunked_context)
    yield "exclude_input_in_output", "True"
    if isinstance(options.kv_cache_free_gpu_mem_fraction, float):
        yield "kv_cache_free_gpu_mem_fraction", str(options.kv_cache_free_gpu_mem_fraction)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
