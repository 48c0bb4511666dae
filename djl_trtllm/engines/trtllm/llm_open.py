"""Making and ending a `tensorrt_llm.LLM`. Its errors become sentences; its shutdown cannot hang this process."""

from __future__ import annotations

import logging
import threading
from typing import Any

from djl_trtllm.engines.guides.vocabulary import Vocabulary
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
            **{**model.arguments, **guiding(model)},
            kv_cache_config=KvCacheConfig(**model.kv_cache),
            scheduler_config=SchedulerConfig(**scheduler),
        )
    except Exception as error:
        logger.exception("TensorRT-LLM could not load %s.", model.origin)
        raise load_error(error, model.origin) from error


def guiding(model: LlmModel) -> dict[str, Any]:
    """Return the arguments that guides need, which take the place of others: the library wants a tokenizer for them.

    It is made of the tokenizer.json that serving uses, with the end token that requests are ended by.
    """
    if model.tokens is None:
        return {}
    return {
        "skip_tokenizer_init": False,
        "tokenizer": _tokenizer(model.tokens, model.ends.first),
        "guided_decoding_backend": "xgrammar",
    }


def _tokenizer(known: Vocabulary, end: int) -> Any:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer.from_str(known.tokenizer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token=known.tokens[end], clean_up_tokenization_spaces=False
    )


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
