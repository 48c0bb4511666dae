"""What options come to for TensorRT-LLM's LLM API with its PyTorch backend, which runs checkpoints as they are.

Arguments are those of `tensorrt_llm.LLM` from 1.0 on, of `llmapi.KvCacheConfig` and `llmapi.SchedulerConfig`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from djl_trtllm.core import Checkpoint
from djl_trtllm.engines.trtllm import gpus
from djl_trtllm.engines.trtllm.families import Minor
from djl_trtllm.engines.trtllm.option_rows import (
    MORE,
    fraction,
    host_bytes,
    more_sequences,
    policy,
    sequences,
    size_bytes,
)
from djl_trtllm.engines.trtllm.resolved import Resolved
from djl_trtllm.engines.trtllm.row import Left, Places, Row, apply
from djl_trtllm.engines.trtllm.situation import Situation
from djl_trtllm.engines.trtllm.versions import Release

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

FIRST: Minor = (1, 0)
"""The first release whose `tensorrt_llm.LLM` is the PyTorch backend."""


def _dtype(s: Situation) -> object:
    return "auto" if s.options.dtype == "auto" else s.dtype


def _overlap(s: Situation) -> object:
    return not s.options.enable_trt_overlap if "enable_trt_overlap" in s.options.sources else Left.SAME


def _no_size(s: Situation) -> object:
    return Left.SAME if fraction(s) is not Left.OUT else Left.OUT


def _base(s: Situation) -> object:
    return Left.OUT if s.options.rotary_base is None else s.options.rotary_base


def _scaling(s: Situation) -> object:
    kind, factor = s.options.rotary_scaling_type, s.options.rotary_scaling_factor
    return Left.OUT if kind is None or factor is None else {"type": kind, "factor": factor}


def _never(s: Situation) -> object:  # noqa: ARG001
    return Left.OUT


_LATER = "is not an argument of TensorRT-LLM 1.0 and 1.1"
_NO_PATCH = "is not an argument of the PyTorch backend before TensorRT-LLM 1.3"
_QUANTIZE = (
    "is for the runtime trtllm; the PyTorch backend runs a checkpoint as it is. Serve one that ModelOpt quantised,"
    " or leave quantize out"
)

# Rows read best as a table.
# fmt: off
ROWS: Sequence[Row] = (
    Row("max_input_len", ("LLM.max_input_len",)),
    Row("max_output_len", ("LLM.max_seq_len",), value=lambda s: s.max_seq_len, how="max_input_len + max_output_len"),
    Row("max_rolling_batch_size", ("LLM.max_batch_size",), value=sequences, how="at most max_num_sequences"),
    Row("max_num_sequences", ("LLM.max_batch_size",), value=sequences, how="at most max_rolling_batch_size"),
    Row("max_num_sequences", value=more_sequences, note=MORE, how="a larger number"),
    Row("max_num_tokens", ("LLM.max_num_tokens",), value=lambda s: s.max_num_tokens),
    Row("max_beam_width", ("LLM.max_beam_width",)),
    Row("tensor_parallel_degree", ("LLM.tensor_parallel_size",), value=lambda s: s.tp),
    Row("pipeline_parallel_degree", ("LLM.pipeline_parallel_size",), value=lambda s: s.pp),
    Row("dtype", ("LLM.dtype",), value=_dtype),
    Row("trust_remote_code", ("LLM.trust_remote_code",)),
    Row("enable_chunked_context", ("LLM.enable_chunked_prefill",)),
    Row("enable_trt_overlap", ("LLM.disable_overlap_scheduler",), value=_overlap, how="its opposite, where it is set"),
    Row("batch_scheduler_policy", ("LLM.SchedulerConfig.capacity_scheduler_policy",), value=policy,
        how="a member of CapacitySchedulerPolicy"),
    Row("kv_cache_free_gpu_mem_fraction", ("LLM.KvCacheConfig.free_gpu_memory_fraction",), value=fraction,
        how="a fraction"),
    Row("kv_cache_free_gpu_mem_fraction", until=(1, 2), value=_no_size, note=_LATER + " as a size; 0.9 of what is free"
        " holds", how="a size"),
    Row("kv_cache_free_gpu_mem_fraction", ("LLM.KvCacheConfig.max_gpu_total_bytes",), since=(1, 2), value=size_bytes,
        how="a size"),
    Row("enable_kv_cache_reuse", ("LLM.KvCacheConfig.enable_block_reuse",)),
    Row("kv_cache_host_memory_bytes", ("LLM.KvCacheConfig.host_cache_size",), value=host_bytes),
    Row("tokens_per_block", until=(1, 2), value=_never, note=_LATER + "; a block has 32 tokens"),
    Row("tokens_per_block", ("LLM.KvCacheConfig.tokens_per_block",), since=(1, 2)),
    Row("rotary_base", until=(1, 3), refusal=_NO_PATCH + ". Remove the option"),
    Row("rotary_base", ("LLM.model_kwargs.rope_theta",), since=(1, 3), value=_base),
    Row("rotary_scaling_type", until=(1, 3), refusal=_NO_PATCH + ". Remove it and rotary_scaling_factor"),
    Row("rotary_scaling_type", ("LLM.model_kwargs.rope_scaling",), since=(1, 3), value=_scaling,
        how="with rotary_scaling_factor"),
    Row("rotary_dim", refusal="is for GPT-J with the runtime trtllm. Remove the option"),
    Row("quantize", refusal=_QUANTIZE),
)
# fmt: on


def resolve(options: Options, release: Release, checkpoint: Checkpoint | None) -> Resolved:
    """Return the arguments of the LLM API. `tensor_parallel_degree=max` takes every GPU that this process sees."""
    visible = len(gpus.devices())
    pp = options.pipeline_parallel_degree
    problems = release_problems(release)
    if problems:
        return Resolved({}, (), tuple(problems))
    tp = options.tensor_parallel(visible // pp)
    # Without any GPU nothing runs, which is said where the runtime is chosen.
    if 0 < visible < tp * pp:
        problems.append(
            f"tensor_parallel_degree={tp} (from {options.source_of('tensor_parallel_degree')}) and"
            f" pipeline_parallel_degree={pp} need {tp * pp} GPUs, but {visible} can be seen. Lower them, or use a"
            " machine with more GPUs."
        )
    config = checkpoint.config if checkpoint is not None else {}
    situation = Situation(options, release, None, config, tp, pp)
    places: Places = {}
    notes: list[str] = []
    apply(ROWS, situation, lambda _: True, places, notes, problems)
    return Resolved(places, tuple(notes), tuple(problems))


def release_problems(release: Release) -> list[str]:
    """Say why a release has no LLM API that is taken here."""
    if (release.major, release.minor) >= FIRST:
        return []
    return [
        f"TensorRT-LLM {release} has no PyTorch backend that is taken here. Use TensorRT-LLM 1.0 or later, or set"
        " option.runtime=trtllm."
    ]
