"""From options and a model's facts to what the pipeline is started with, and to the limits that follow."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from djl_trtllm.core import Limit, Limits
from djl_trtllm.engines.openvino.guides import files as guide_files
from djl_trtllm.engines.openvino.messages import Start
from djl_trtllm.engines.openvino.model import ModelFacts
from djl_trtllm.engines.resources import host_memory

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

logger = logging.getLogger(__name__)

BLOCK = 32
"""Tokens in a block of the pipeline's KV cache on a CPU (OpenVINO GenAI 2026.4.1, observed)."""

_CELL_BYTES = {"f32": 4.0, "f16": 2.0, "bf16": 2.0}
_QUANTISED_CELL_BYTES = 1.25
"""One byte, and the scales and zero points beside it."""


def settings(facts: ModelFacts, options: Options, free_memory: int) -> tuple[Start, Limits]:
    """Say how to start the pipeline and what it can take. `free_memory` in bytes, before the model is loaded."""
    context = context_limit(facts, options)
    blocks, source = kv_blocks(facts, options, context, free_memory)
    limits = Limits(
        max_input_len=option_limit(options, "max_input_len"),
        max_output_len=option_limit(options, "max_output_len"),
        max_sequence_len=context,
        max_batch_size=option_limit(options, "max_rolling_batch_size"),
        kv_cache_tokens=Limit(blocks * BLOCK, source),
        vocab_size=facts.vocab_size,
    )
    sequences = min(options.max_num_sequences, options.max_rolling_batch_size)
    start = Start(
        model=str(facts.path),
        kv_blocks=blocks,
        # Every running sequence must be able to get its next token in one step.
        step_tokens=max(options.openvino_step_tokens, sequences),
        max_sequences=sequences,
        prefix_caching=options.enable_kv_cache_reuse,
        properties=properties(options),
        stop_ids=sorted(facts.eos_ids),
        guide=guide_directory(facts, options),
    )
    return start, limits


def guide_directory(facts: ModelFacts, options: Options) -> str:
    """The directory of what binding answers needs, "" where answers cannot be bound; the log says why."""
    if options.guided_decoding == "off":
        return ""
    found = guide_files.find(facts.path)
    why_not = found.why_not if facts.eos_ids else "the model names no end token"
    if found.path is None or why_not:
        logger.info("Guided decoding is off: %s.", why_not)
        return ""
    return str(found.path)


def properties(options: Options) -> dict[str, str | int | bool]:
    """OpenVINO's own properties. `fast` sets no precision: the CPU and the model file decide.

    Where the threads take all cores they are not bound to one each, as OpenVINO does by default: the worker and Java
    need some of a core too, and a bound thread waits for it while another core idles (a step took 1.2 to 1.3 times as
    long on two busy cores, 2026.4.1).

    `exact` computes in f32 with an f32 KV cache. KV_CACHE_PRECISION=f32 needs the inference precision set with
    it, or the pipeline cannot be constructed on a CPU with bf16; group size 0 keeps int8 models from quantising
    their activations, which would make results depend on the batch (both observed, 2026.4.1).
    """
    found: dict[str, str | int | bool] = {}
    if options.openvino_precision == "exact":
        found |= {
            "INFERENCE_PRECISION_HINT": "f32",
            "KV_CACHE_PRECISION": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
        }
    if options.openvino_threads is None:
        found["ENABLE_CPU_PINNING"] = False
    else:
        found["INFERENCE_NUM_THREADS"] = options.openvino_threads
    return found


def option_limit(options: Options, name: str) -> Limit:
    """The limit that an option sets."""
    return Limit(getattr(options, name), f"option {name}")


def context_limit(facts: ModelFacts, options: Options) -> Limit:
    """Longest sequence. The pipeline itself runs past a model's last position, and gives garbage there."""
    if facts.positions is not None:
        return facts.positions
    return Limit(
        options.max_input_len + options.max_output_len, "options max_input_len and max_output_len together"
    )


def kv_blocks(facts: ModelFacts, options: Options, context: Limit, free_memory: int) -> tuple[int, str]:
    """Blocks of the KV cache, at least one, and what set their number.

    By default a quarter of free memory, but no more than all slots can fill. It is never left to grow by itself.
    """
    blocks, source = kv_cache_blocks(facts, options, context, free_memory)
    longest = longest_request(context, options)
    if options.openvino_kv_cache is None and blocks * BLOCK < longest:
        logger.warning(
            "A quarter of the free memory holds %d tokens of KV cache, but a request may use %d; longer ones "
            "will be refused. Set openvino_kv_cache to give it more.",
            blocks * BLOCK,
            longest,
        )
    return blocks, source


def longest_request(context: Limit, options: Options) -> int:
    """Tokens of the longest request, prompt and answer."""
    return min(context.value, options.max_input_len + options.max_output_len)


def kv_cache_blocks(facts: ModelFacts, options: Options, context: Limit, free_memory: int) -> tuple[int, str]:
    """Return what `kv_blocks` does, without a word in the log."""
    wanted = options.openvino_kv_cache
    if wanted is not None:
        tokens = getattr(wanted, "count", None)
        if tokens is None:
            tokens = wanted.bytes / bytes_per_token(facts, options)  # type: ignore[union-attr]
            return max(1, int(tokens // BLOCK)), f"option openvino_kv_cache={wanted}"
        return max(1, -(-tokens // BLOCK)), f"option openvino_kv_cache={wanted}"
    for_all_slots = options.max_rolling_batch_size * -(-longest_request(context, options) // BLOCK)
    affordable = max(1, int(free_memory / 4 / bytes_per_token(facts, options) // BLOCK))
    if affordable < for_all_slots:
        return affordable, "a quarter of the free memory; set option openvino_kv_cache for another size"
    return for_all_slots, "option max_rolling_batch_size times option max_input_len plus max_output_len"


def bytes_per_token(facts: ModelFacts, options: Options) -> float:
    """Memory that one token takes in the KV cache."""
    cache_type = "f32" if options.openvino_precision == "exact" else facts.cache_type
    return max(1.0, facts.state_per_token * _CELL_BYTES.get(cache_type, _QUANTISED_CELL_BYTES))


def available_memory() -> int:
    """Bytes of memory free for new use: the machine's, or the container's when that is less."""
    return host_memory().free
