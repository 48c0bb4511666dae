"""Which options are in LMI's user guide for TensorRT-LLM (LMI 9, DJL-Serving 0.27); the others are later, or ours."""

from __future__ import annotations

_NAMES = """
    model_id tensor_parallel_degree rolling_batch max_rolling_batch_size max_input_len max_output_len
    use_custom_all_reduce tokens_per_block batch_scheduler_policy kv_cache_free_gpu_mem_fraction max_num_sequences
    enable_trt_overlap enable_kv_cache_reuse baichuan_model_version chatglm_model_version gpt_model_version
    multi_block_mode use_fused_mlp rotary_base rotary_dim rotary_scaling_type rotary_scaling_factor quantize
    smoothquant_alpha smoothquant_per_token smoothquant_per_channel multi_query_mode q_format calib_size
"""
GUIDE = frozenset(_NAMES.split())
