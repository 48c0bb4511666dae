"""Making and ending a `tensorrt_llm.LLM`. Its errors become sentences; its shutdown cannot hang this process."""

from __future__ import annotations

import logging
import threading
from typing import Any

from djl_trtllm.engines.trtllm.llm_model import LlmModel
from djl_trtllm.engines.trtllm.load_errors import load_error

logger = logging.getLogger(__name__)

SHUTDOWN_SECONDS = 20.0


def open_llm(model: LlmModel) -> Any:
    """Load a model; blocks until the library's workers are ready. Raises `OutOfMemory` or `LoadError`."""
    from tensorrt_llm import LLM
    from tensorrt_llm.llmapi import CapacitySchedulerPolicy, KvCacheConfig, SchedulerConfig

    scheduler = dict(model.scheduler)
    policy = scheduler.get("capacity_scheduler_policy")
    if isinstance(policy, str):
        scheduler["capacity_scheduler_policy"] = getattr(CapacitySchedulerPolicy, policy)
    try:
        return LLM(
            **model.arguments,
            kv_cache_config=KvCacheConfig(**model.kv_cache),
            scheduler_config=SchedulerConfig(**scheduler),
        )
    except Exception as error:
        logger.exception("TensorRT-LLM could not load %s.", model.origin)
        raise load_error(error, model.origin) from error


def close_llm(llm: Any, origin: str) -> None:
    """Shut the library's workers down; one that does not come back is left behind, and said."""

    def shutdown() -> None:
        try:
            llm.shutdown()
        except Exception:
            logger.exception("TensorRT-LLM did not shut down cleanly.")

    thread = threading.Thread(target=shutdown, name="llm-shutdown", daemon=True)
    thread.start()
    thread.join(SHUTDOWN_SECONDS)
    if thread.is_alive():
        logger.error("TensorRT-LLM's workers of %s did not end within %.0f s.", origin, SHUTDOWN_SECONDS)
