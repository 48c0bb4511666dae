"""What the library's constructors check besides types: the values of one request, of its sampling, of a config."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour

BINDINGS = "tensorrt_llm.bindings.executor"

Check = tuple[Callable[[Any], bool], str]

INT32: Check = (lambda v: -(2**31) <= v < 2**31, "int32")
AT_LEAST_0: Check = (lambda v: v >= 0, ">= 0")
ABOVE_0: Check = (lambda v: v > 0, "> 0")
FRACTION: Check = (lambda v: 0 < v <= 1, "in (0, 1]")
UINT64: Check = (lambda v: 0 <= v < 2**64, "uint64")

SAMPLING: dict[str, tuple[Check, ...]] = {
    "beam_width": (INT32, ABOVE_0),
    "num_return_sequences": (INT32, ABOVE_0),
    "top_k": (INT32, AT_LEAST_0),
    "top_p": (FRACTION,),
    "top_p_min": (FRACTION,),
    "top_p_decay": (FRACTION,),
    "top_p_reset_ids": (INT32, AT_LEAST_0),
    "seed": (UINT64,),
    "random_seed": (UINT64,),
    "temperature": (ABOVE_0,),
    "min_tokens": (INT32, AT_LEAST_0),
    "min_length": (INT32, AT_LEAST_0),
    "min_p": ((lambda v: 0 <= v <= 1, "in [0, 1]"),),
    "repetition_penalty": (ABOVE_0,),
    "no_repeat_ngram_size": (INT32, ABOVE_0),
    "beam_search_diversity_rate": (AT_LEAST_0,),
}
KV_CACHE: dict[str, tuple[Check, ...]] = {
    "max_tokens": (INT32, ABOVE_0),
    "free_gpu_memory_fraction": (FRACTION,),
    "sink_token_length": (ABOVE_0,),
    "host_cache_size": (AT_LEAST_0,),
}
EXECUTOR: dict[str, tuple[Check, ...]] = {
    "max_beam_width": (ABOVE_0,),
    "max_batch_size": (INT32, ABOVE_0),
    "max_num_tokens": (INT32, ABOVE_0),
    "max_queue_size": (INT32, AT_LEAST_0),
    "iter_stats_max_iterations": (AT_LEAST_0,),
    "request_stats_max_iterations": (AT_LEAST_0,),
    "gpu_weights_percent": ((lambda v: 0 <= v <= 1, "in [0, 1]"),),
    "max_seq_idle_microseconds": (ABOVE_0,),
}
NUMBERS_OF_REQUEST: dict[str, tuple[Check, ...]] = {
    "max_tokens": (INT32, ABOVE_0),
    "max_new_tokens": (INT32, ABOVE_0),
    "end_id": (INT32, (lambda v: v >= -1, ">= -1")),
    "num_return_sequences": (ABOVE_0,),
    "priority": ((lambda v: 0 <= v <= 1, "in [0, 1]"),),
}


def failed(text: str) -> RuntimeError:
    """Return the error of an assertion in the library's C++ code."""
    return RuntimeError(f"[TensorRT-LLM][ERROR] Assertion failed: {text}")


def check(values: dict[str, Any], checks: dict[str, tuple[Check, ...]]) -> None:
    """Raise for a value that its check refuses: TypeError where the binding cannot convert it, else RuntimeError."""
    for name, rules in checks.items():
        value = values.get(name)
        if value is None:
            continue
        for rule, text in rules:
            if isinstance(value, float) and not math.isfinite(value):
                raise failed(f"{name} is {value}")
            if not rule(value):
                if rule in (INT32[0], UINT64[0]):
                    raise TypeError(f"incompatible function arguments: {name}={value} is no {text}")
                raise failed(f"{name} must be {text}, got {value}")


def check_words(name: str, words: Sequence[Sequence[int]] | None) -> None:
    """Raise for a list of words with an empty one."""
    if words is not None and any(len(word) == 0 for word in words):
        raise failed(f"{name} has an empty word")


def check_request(values: dict[str, Any]) -> None:
    """Raise for what a `Request` refuses."""
    ids = values["input_token_ids"]
    if not ids:
        raise failed("!mInputTokenIds.empty()")
    for token in ids:
        if not 0 <= token < 2**31:
            raise TypeError(f"incompatible function arguments: input_token_ids has {token}")
    counts = [name for name in ("max_tokens", "max_new_tokens") if values.get(name) is not None]
    if len(counts) != 1:
        raise failed("exactly one of max_tokens and max_new_tokens must be set")
    check(values, NUMBERS_OF_REQUEST)
    check_words("stop_words", values.get("stop_words"))
    check_words("bad_words", values.get("bad_words"))


@behaviour(f"{BINDINGS}.Request")
class Request:
    """Checks what it is made of."""

    def __init__(self, context: Context, **values: Any) -> None:
        check_request(values)


@behaviour(f"{BINDINGS}.SamplingConfig")
class SamplingConfig:
    """Checks what it is made of; two names of one value exclude each other."""

    def __init__(self, context: Context, **values: Any) -> None:
        check(values, SAMPLING)
        for new, old in (("seed", "random_seed"), ("min_tokens", "min_length")):
            if values.get(new) is not None and values.get(old) is not None:
                raise failed(f"{new} and {old} are the same")


@behaviour(f"{BINDINGS}.KvCacheConfig", "tensorrt_llm.bindings.KvCacheConfig")
class KvCacheConfig:
    """Checks what it is made of."""

    def __init__(self, context: Context, **values: Any) -> None:
        check(values, KV_CACHE)


@behaviour(f"{BINDINGS}.ExecutorConfig")
class ExecutorConfig:
    """Checks what it is made of."""

    def __init__(self, context: Context, **values: Any) -> None:
        check(values, EXECUTOR)
