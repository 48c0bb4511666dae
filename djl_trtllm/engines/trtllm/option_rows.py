"""Where each option goes in each release of TensorRT-LLM, as data: the engine path of 0.8 to 1.2.

Sources: the signatures of the releases 0.8.0 to 0.17 and 1.0 to 1.2, and runs of the library's own conversion code.
"""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.engines.trtllm.families import Minor
from djl_trtllm.engines.trtllm.row import Left, Row, only, option
from djl_trtllm.engines.trtllm.situation import Situation
from djl_trtllm.options.kinds import Size

RUN_PLACES = frozenset(
    (
        "ExecutorConfig",
        "ExtendedRuntimePerfKnobConfig",
        "GptManager",
        "KvCache",
        "KvCacheConfig",
        "SchedulerConfig",
        "TrtGptModelOptionalParams",
    )
)
"""Places that are used when an engine is opened; all others only when one is built."""

FIRST: Minor = (0, 8)
END: Minor = (1, 3)
"""The first release without the engine path."""


def fraction(s: Situation) -> object:
    """The share of free memory for the KV cache, where a share was given."""
    value = s.options.kv_cache_free_gpu_mem_fraction
    return Left.OUT if isinstance(value, Size) else value


def size_bytes(s: Situation) -> object:
    """The size of the KV cache in bytes, where a size was given."""
    value = s.options.kv_cache_free_gpu_mem_fraction
    return value.bytes if isinstance(value, Size) else Left.OUT


def host_bytes(s: Situation) -> object:
    """Host memory for KV blocks in bytes, where it was given."""
    size = s.options.kv_cache_host_memory_bytes
    return size.bytes if size is not None else Left.OUT


def _smaller_batch(s: Situation) -> object:
    return Left.SAME if s.options.max_num_sequences == s.options.max_rolling_batch_size else Left.OUT


def policy(s: Situation) -> object:
    """The scheduler's policy as the library's enums name it."""
    return s.options.batch_scheduler_policy.upper()


def sequences(s: Situation) -> object:
    """Sequences in one step: never more than are admitted."""
    return min(s.options.max_num_sequences, s.options.max_rolling_batch_size)


def more_sequences(s: Situation) -> object:
    """Whether more sequences were asked for than are admitted."""
    return Left.OUT if s.options.max_num_sequences > s.options.max_rolling_batch_size else Left.SAME


def _blocks(s: Situation) -> object:
    return s.options.multi_block_mode and not s.qwen


def _qwen_blocks(s: Situation) -> object:
    return Left.OUT if s.qwen else Left.SAME


def _fused(s: Situation) -> object:
    asked = s.options.use_fused_mlp
    return asked if s.llama or (not asked and "use_fused_mlp" in s.options.sources) else Left.OUT


def _shards(s: Situation) -> bool:
    since = s.kind.by_shard if s.kind else None
    return s.options.load_by_shard and since is not None and s.minor >= since


def _off(s: Situation) -> object:  # noqa: ARG001
    return False


def _auto(s: Situation) -> object:  # noqa: ARG001
    return "auto"


def _logits(s: Situation) -> object:
    return "float16" if s.options.logits_dtype == "fp16" else Left.OUT


MORE = "is above max_rolling_batch_size, which holds"
_NO_QWEN = "is not for Qwen models, which run without it"
_NO_FUSION = "is for models of the LLaMA type; what TensorRT-LLM itself does with others holds"
_REDUCE = "is not a choice from TensorRT-LLM 0.12 on, which chooses the fastest reduction itself"
_BATCH = "is not a choice before TensorRT-LLM 0.11; the engine's own max_rolling_batch_size holds"
_OVERLAP = "is not in TensorRT-LLM 0.9 to 0.21; steps follow each other"
_PAGED = "true with enable_kv_cache_reuse or enable_chunked_context"
_SEQUENCE = "max_input_len + max_output_len"

# Rows read best as a table.
# fmt: off
ROWS: Sequence[Row] = (
    Row("max_input_len", ("BuildConfig.max_input_len",), value=lambda s: s.max_input_len),
    Row("max_output_len", ("BuildConfig.max_output_len",), until=(0, 11)),
    Row("max_output_len", ("BuildConfig.max_seq_len",), since=(0, 11), value=lambda s: s.max_seq_len, how=_SEQUENCE),
    Row("max_rolling_batch_size", ("BuildConfig.max_batch_size",)),
    Row("max_num_tokens", ("BuildConfig.max_num_tokens",), value=lambda s: s.max_num_tokens),
    Row("max_num_tokens", ("ExecutorConfig.max_num_tokens",), since=(0, 11), value=lambda s: s.max_num_tokens),
    Row("max_beam_width", ("BuildConfig.max_beam_width",)),
    Row("max_beam_width", ("GptManager.max_beam_width",), until=(0, 9)),
    Row("max_beam_width", ("ExecutorConfig.max_beam_width",), since=(0, 9)),
    Row("tensor_parallel_degree", ("Mapping.tp_size",), value=lambda s: s.tp),
    Row("pipeline_parallel_degree", ("Mapping.pp_size",), value=lambda s: s.pp),
    Row("use_custom_all_reduce", ("PluginConfig.use_custom_all_reduce",), until=(0, 12)),
    Row("use_custom_all_reduce", since=(0, 12), note=_REDUCE),
    Row("tokens_per_block", ("PluginConfig.tokens_per_block",)),
    Row("batch_scheduler_policy", ("GptManager.scheduler_policy",), until=(0, 9), value=policy,
        how="a member of SchedulerPolicy"),
    Row("batch_scheduler_policy", ("SchedulerConfig.policy",), (0, 9), (0, 10), policy,
        how="a member of SchedulerPolicy"),
    Row("batch_scheduler_policy", ("SchedulerConfig.capacity_scheduler_policy",), since=(0, 10), value=policy,
        how="a member of CapacitySchedulerPolicy"),
    Row("kv_cache_free_gpu_mem_fraction", ("KvCacheConfig.free_gpu_memory_fraction",), value=fraction,
        how="a fraction"),
    Row("kv_cache_free_gpu_mem_fraction", ("KvCache.max_bytes",), value=size_bytes,
        how="a size; KvCacheConfig.max_tokens is made of it when the engine is known"),
    Row("max_num_sequences", until=(0, 11), value=_smaller_batch, note=_BATCH, how="another number"),
    Row("max_num_sequences", since=(0, 11), value=more_sequences, note=MORE, how="a larger number"),
    Row("max_num_sequences", ("ExecutorConfig.max_batch_size",), since=(0, 11), value=sequences,
        how="at most max_rolling_batch_size"),
    Row("enable_trt_overlap", ("TrtGptModelOptionalParams.enable_trt_overlap",), until=(0, 9)),
    Row("enable_trt_overlap", since=(0, 9), until=(1, 0), note=_OVERLAP),
    Row("enable_trt_overlap", ("ExecutorConfig.enable_trt_overlap",), since=(1, 0)),
    Row("enable_kv_cache_reuse", ("KvCacheConfig.enable_block_reuse",)),
    Row("enable_kv_cache_reuse", ("PluginConfig.use_paged_context_fmha",), value=lambda s: s.paged_context,
        how=_PAGED),
    Row("multi_block_mode", value=_qwen_blocks, note=_NO_QWEN, how="Qwen"),
    Row("multi_block_mode", ("PluginConfig.multi_block_mode",), until=(0, 12), value=_blocks, how="not for Qwen"),
    Row("multi_block_mode", ("ExtendedRuntimePerfKnobConfig.multi_block_mode",), since=(0, 12), value=_blocks,
        how="not for Qwen"),
    Row("use_fused_mlp", until=(0, 9), note="is not an argument of TensorRT-LLM 0.8's builder; it is not fused"),
    Row("use_fused_mlp", ("BuildConfig.use_fused_mlp",), (0, 9), (0, 13),
        _fused, how="LLaMA class only", note=_NO_FUSION),
    Row("use_fused_mlp", ("BuildConfig.use_fused_mlp", "PluginConfig.use_fused_mlp"), (0, 13), (0, 17),
        _fused, how="LLaMA class only", note=_NO_FUSION),
    Row("use_fused_mlp", ("PluginConfig.use_fused_mlp",), since=(0, 17),
        value=_fused, how="LLaMA class only", note=_NO_FUSION),
    Row("enable_chunked_context", ("TrtGptModelOptionalParams.enable_chunked_context",), until=(0, 9)),
    Row("enable_chunked_context", ("ExecutorConfig.enable_chunked_context",), since=(0, 9)),
    Row("kv_cache_host_memory_bytes", until=(0, 9), note="is not in TensorRT-LLM 0.8; KV blocks stay on the GPU"),
    Row("kv_cache_host_memory_bytes", ("KvCacheConfig.host_cache_size",), since=(0, 9), value=host_bytes),
    Row("use_fp8_context_fmha", until=(0, 9), note="is not in TensorRT-LLM 0.8"),
    Row("use_fp8_context_fmha", ("PluginConfig.use_fp8_context_fmha",), since=(0, 9)),
    Row("logits_dtype", ("model.config.logits_dtype",), value=_logits, how="float16; float32 is the library's own"),
    Row("load_by_shard", ("from_hugging_face.load_by_shard",), value=only(_shards, option("load_by_shard")),
        how="LLaMA class, and Falcon from 0.14 on", note="is not for this class; its weights are loaded at once"),
    Row("trust_remote_code", ("from_hugging_face.trust_remote_code", "quantize.trust_remote_code"), since=(0, 12)),
    Row("dtype", ("from_hugging_face.dtype", "quantize.dtype"), value=lambda s: s.dtype,
        how="auto is the checkpoint's own, float16 for float32"),
    Row("", ("TrtGptModelOptionalParams.normalize_log_probs",), until=(0, 9), value=_off),
    Row("", ("ExecutorConfig.normalize_log_probs",), since=(0, 9), value=_off),
    Row("", ("PluginConfig.gemm_plugin",), since=(0, 11), value=_auto),
    Row("dtype", ("PluginConfig.gemm_plugin", "PluginConfig.gpt_attention_plugin", "PluginConfig.nccl_plugin"),
        until=(0, 11), value=lambda s: s.dtype),
)
# fmt: on
