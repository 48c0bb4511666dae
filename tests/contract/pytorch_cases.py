"""What every option must come to for the LLM API with its PyTorch backend: written by hand, as `option_cases.py` is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tests.contract.option_cases import ONE, PYTORCH, Case, Got, Outcome, Refused, Said, got

ROWS = frozenset(PYTORCH)
FIRST, LATER = frozenset(("1.0~",)), ROWS - {"1.0~"}


def _case(settings: Mapping[str, str], *rules: tuple[frozenset[str], Outcome]) -> Case:
    return Case(settings, [(rows, None, outcome) for rows, outcome in rules], families=ONE)


def _always(settings: Mapping[str, str], outcome: Outcome) -> Case:
    return _case(settings, (ROWS, outcome))


_NO_ARGUMENT = "not an argument of TensorRT-LLM 1.0 and 1.1"

CASES: Sequence[Case] = (
    _always({"max_input_len": "2048"}, got(LLM__max_input_len=2048)),
    _always({"max_output_len": "100"}, got(LLM__max_seq_len=1124)),
    _always({"max_rolling_batch_size": "7"}, got(LLM__max_batch_size=7)),
    _always({"max_num_sequences": "16"}, got(LLM__max_batch_size=16)),
    _always({"max_num_sequences": "64"}, Said("above max_rolling_batch_size", {"LLM.max_batch_size": 32})),
    _always({"max_num_tokens": "4096"}, got(LLM__max_num_tokens=4096)),
    _always({"max_input_len": "30000"}, got(LLM__max_num_tokens=30000)),
    _always({"max_beam_width": "3"}, got(LLM__max_beam_width=3)),
    _always({"tensor_parallel_degree": "2"}, got(LLM__tensor_parallel_size=2, LLM__pipeline_parallel_size=1)),
    _always({"tensor_parallel_degree": "max"}, got(LLM__tensor_parallel_size=4)),
    _always({"tensor_parallel_degree": "8"}, Refused("tensor_parallel_degree=8 (from serving.properties)")),
    _always(
        {"pipeline_parallel_degree": "2", "tensor_parallel_degree": "max"},
        got(LLM__tensor_parallel_size=2, LLM__pipeline_parallel_size=2),
    ),
    *(
        _always({"dtype": text}, got(LLM__dtype=name))
        for text, name in (("auto", "auto"), ("fp16", "float16"), ("bf16", "bfloat16"), ("fp32", "float32"))
    ),
    *(
        _always({name: text}, Got({f"LLM.{argument}": value}))
        for name, argument in (
            ("trust_remote_code", "trust_remote_code"),
            ("enable_chunked_context", "enable_chunked_prefill"),
        )
        for text, value in (("true", True), ("false", False))
    ),
    _always({"enable_trt_overlap": "true"}, got(LLM__disable_overlap_scheduler=False)),
    _always({"enable_trt_overlap": "false"}, got(LLM__disable_overlap_scheduler=True)),
    *(
        _always(
            {"batch_scheduler_policy": name}, got(SchedulerConfig__capacity_scheduler_policy=name.upper())
        )
        for name in ("max_utilization", "guaranteed_no_evict")
    ),
    _always({"kv_cache_free_gpu_mem_fraction": "0.5"}, got(KvCacheConfig__free_gpu_memory_fraction=0.5)),
    _case(
        {"kv_cache_free_gpu_mem_fraction": "8GiB"},
        (FIRST, Said(_NO_ARGUMENT, {}, ["KvCacheConfig.max_gpu_total_bytes"])),
        (
            LATER,
            Got({"KvCacheConfig.max_gpu_total_bytes": 8 * 2**30}, ["KvCacheConfig.free_gpu_memory_fraction"]),
        ),
    ),
    *(
        _always({"enable_kv_cache_reuse": text}, got(KvCacheConfig__enable_block_reuse=value))
        for text, value in (("true", True), ("false", False))
    ),
    _always({"kv_cache_host_memory_bytes": "2GiB"}, got(KvCacheConfig__host_cache_size=2**31)),
    _case(
        {"tokens_per_block": "64"},
        (FIRST, Said(_NO_ARGUMENT, {}, ["KvCacheConfig.tokens_per_block"])),
        (LATER, got(KvCacheConfig__tokens_per_block=64)),
    ),
    _case(
        {"rotary_base": "20000"},
        (frozenset(("1.0~", "1.2~")), Refused("before TensorRT-LLM 1.3")),
        (LATER, Got({"LLM.model_kwargs": {"rope_theta": 20000.0}})),
    ),
    _case(
        {"rotary_scaling_type": "linear", "rotary_scaling_factor": "2"},
        (frozenset(("1.0~", "1.2~")), Refused("before TensorRT-LLM 1.3")),
        (LATER, Got({"LLM.model_kwargs": {"rope_scaling": {"type": "linear", "factor": 2.0}}})),
    ),
    _always({"rotary_dim": "32"}, Refused("is for GPT-J with the runtime trtllm")),
    *(
        _always({"quantize": kind}, Refused("the PyTorch backend runs a checkpoint as it is"))
        for kind in ("smoothquant", "awq", "fp8", "int8", "int4")
    ),
    _always(
        {"quantize": "smoothquant", "smoothquant_alpha": "0.5", "smoothquant_per_token": "true"},
        Refused("the PyTorch backend runs a checkpoint as it is"),
    ),
    _always(
        {"quantize": "smoothquant", "smoothquant_per_channel": "true"},
        Refused("the PyTorch backend runs a checkpoint as it is"),
    ),
    *(
        _always({name: "true"}, Said("chooses its kernels itself"))
        for name in ("use_custom_all_reduce", "multi_block_mode", "use_fused_mlp", "use_fp8_context_fmha")
    ),
    *(
        _always({name: value}, Said("builds no engine"))
        for name, value in (
            ("load_by_shard", "true"),
            ("logits_dtype", "fp16"),
            ("num_checkpoint_workers", "4"),
            ("num_engine_workers", "4"),
            ("trtllm_checkpoint_path", "/tmp/x"),
        )
    ),
    *(
        _always({name: value}, Said("reads it from the checkpoint"))
        for name, value in (
            ("baichuan_model_version", "v1_7b"),
            ("chatglm_model_version", "chatglm3_6b"),
            ("gpt_model_version", "starcoder"),
        )
    ),
    _always({"multi_query_mode": "true"}, Said("the checkpoint says which heads share keys")),
    *(
        _always({name: value}, Said("has no effect without quantize="))
        for name, value in (
            ("q_format", "int4_awq"),
            ("calib_size", "64"),
            ("calib_batch_size", "2"),
            ("calib_dataset", "/tmp/text.txt"),
            ("awq_block_size", "64"),
        )
    ),
    *(
        _always({name: value}, Said("is for the openvino runtime"))
        for name, value in (
            ("openvino_precision", "exact"),
            ("openvino_kv_cache", "1GiB"),
            ("openvino_step_tokens", "64"),
            ("openvino_threads", "2"),
            ("openvino_group_size", "64"),
        )
    ),
)
