"""What a runtime makes of options that it cannot use: one line for each, saying what holds instead.

An option that is in neither map of a runtime is honoured by it. What depends on the release of TensorRT-LLM is not
here: `engines/trtllm` says that once the release is known.
"""

from __future__ import annotations

from collections.abc import Mapping

_GPU_ONLY = "is for GPUs"
_BUILDER = "is for TensorRT-LLM's builder; there is no such step here"

_OPENVINO: Mapping[str, str] = {
    "batch_scheduler_policy": "is not a choice here; requests pause when the KV cache is full (max_utilization)",
    "calib_batch_size": "is not a choice here; samples are calibrated one by one",
    "enable_chunked_context": "is always so here, in pieces of openvino_step_tokens",
    "enable_trt_overlap": _GPU_ONLY + "; steps follow each other",
    "kv_cache_free_gpu_mem_fraction": _GPU_ONLY + "; openvino_kv_cache sets the size of the KV cache",
    "kv_cache_host_memory_bytes": _GPU_ONLY + "; openvino_kv_cache sets the size of the KV cache",
    "load_by_shard": _BUILDER,
    "logits_dtype": _BUILDER,
    "max_beam_width": "is not a choice here; beam search is answered with 400",
    "max_num_tokens": "is not used here; openvino_step_tokens sets how many tokens a step has",
    "multi_block_mode": _GPU_ONLY + "; OpenVINO splits the work itself",
    "multi_query_mode": "is not needed; the checkpoint says which heads share keys",
    "num_checkpoint_workers": _BUILDER,
    "num_engine_workers": _BUILDER,
    "smoothquant_per_channel": "is not a choice here; NNCF chooses the scales",
    "smoothquant_per_token": "is not a choice here; NNCF chooses the scales",
    "tokens_per_block": "is not a choice here; a block of the KV cache has 32 tokens",
    "trtllm_checkpoint_path": _BUILDER,
    "use_custom_all_reduce": _GPU_ONLY + "; one process computes everything",
    "use_fp8_context_fmha": _GPU_ONLY + "; openvino_precision sets what attention computes in",
    "use_fused_mlp": _GPU_ONLY + "; OpenVINO fuses what it can",
}

_EVERY_RANK = "is not needed; every rank converts and builds its own part, in the cache"

_NO_OPENVINO: Mapping[str, str] = {
    "multi_query_mode": "is not needed; the checkpoint says which heads share keys",
    "openvino_group_size": "is for the openvino runtime; awq_block_size holds",
    "openvino_kv_cache": "is for the openvino runtime; kv_cache_free_gpu_mem_fraction holds",
    "openvino_precision": "is for the openvino runtime; dtype holds",
    "openvino_step_tokens": "is for the openvino runtime; max_num_tokens holds",
    "openvino_threads": "is for the openvino runtime",
}

_TRTLLM: Mapping[str, str] = {
    **_NO_OPENVINO,
    "num_checkpoint_workers": _EVERY_RANK,
    "num_engine_workers": _EVERY_RANK,
    "trtllm_checkpoint_path": _EVERY_RANK,
}

_NO_ENGINE = "is for the runtime trtllm; the PyTorch backend builds no engine"
_KERNELS = "is for the runtime trtllm; the PyTorch backend chooses its kernels itself"
_VERSION = "is not needed; the PyTorch backend reads it from the checkpoint"

_PYTORCH: Mapping[str, str] = {
    **_NO_OPENVINO,
    "baichuan_model_version": _VERSION,
    "chatglm_model_version": _VERSION,
    "gpt_model_version": _VERSION,
    "load_by_shard": _NO_ENGINE,
    "logits_dtype": _NO_ENGINE,
    "multi_block_mode": _KERNELS,
    "num_checkpoint_workers": _NO_ENGINE,
    "num_engine_workers": _NO_ENGINE,
    "quality_floor": "is for runtimes that compile; the PyTorch backend quantises nothing",
    "trtllm_checkpoint_path": _NO_ENGINE,
    "use_custom_all_reduce": _KERNELS,
    "use_fp8_context_fmha": _KERNELS,
    "use_fused_mlp": _KERNELS,
}

UNUSED: Mapping[str, Mapping[str, str]] = {
    "openvino": _OPENVINO,
    "trtllm": _TRTLLM,
    "trtllm-pytorch": _PYTORCH,
}

SAME_ANYWAY: Mapping[str, Mapping[str, object]] = {
    "openvino": {
        "batch_scheduler_policy": "max_utilization",
        "enable_chunked_context": True,
        "max_beam_width": 1,
        "multi_query_mode": True,
        "tokens_per_block": 32,
    },
    "trtllm-pytorch": {"logits_dtype": "fp32"},
}
"""Values that a runtime has whatever is set: asking for them needs no note."""
