"""Properties that are DJL-Serving's own. They reach the handler beside the options and are never complained of.

From DJL-Serving 0.25 to 0.36: what the Python engine, the model server and its LMI configuration set or read.
"""

from __future__ import annotations

_NAMES = """
    application async_mode bad_request_http_code batch_delay batch_size bedrock_compat blockFactory
    chunked_read_timeout cluster_size device_id downloadDir draft_model_id enable_lora enable_streaming
    enable_venv engine entryPoint env failed failOnInitialize handler input_formatter is_mpi job_queue_size
    lmcache_auto_config load_on_devices log_model_metric log_request_metric mapLocation max_batch_delay
    max_idle_time maxBatchDelay maxIdleTime max_workers maxWorkers metrics_aggregation min_workers minWorkers
    model_dir model_name modelDir modelName mpi_mode parallel_loading pythonExecutable python_executable
    recommended_entry_point required_memory_mb reserved_memory_mb reset_rollingbatch retry_threshold
    server_error_http_code spec_length task throttle_error_http_code timeout_http_code translatorFactory
    use_passive_workers wait_model_loading waiting_steps
"""
_OWN = frozenset(name.lower() for name in _NAMES.split())


def is_djl_property(key: str) -> bool:
    """Whether DJL-Serving itself owns property `key`; everything under `gpu.` and `cpu.` is its own."""
    return key.lower() in _OWN or key.startswith(("gpu.", "cpu."))
