"""What a client may ask of an engine: the options, within what the engine was built for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from djl_trtllm.core import CompiledModel, Limit, Limits
from djl_trtllm.engines.trtllm.engine_files import EngineFacts
from djl_trtllm.engines.trtllm.executor_config import Places
from djl_trtllm.engines.trtllm.versions import Release

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

_FILE = "the engine's config.json"


def limits(
    facts: EngineFacts,
    model: CompiledModel,
    options: Options,
    places: Places,
    release: Release,
    kv_tokens: int | None,
) -> Limits:
    """Return the limits of an opened engine. `kv_tokens` is the size of its KV cache, None where it does not tell.

    For an engine that somebody else has built, an option that was not set is no limit: the engine's own holds.
    """

    def least(name: str, built: Limit) -> Limit:
        asked = Limit(getattr(options, name), f"option {name}")
        if model.runtime and options.source_of(name) == "default":
            return built
        return asked if asked.value <= built.value else built

    together = Limit(facts.max_seq_len, f"max_seq_len in {_FILE}")
    output = Limit(facts.max_output_len, f"max_output_len in {_FILE}") if facts.max_output_len else together
    cache = together if kv_tokens is None else Limit(kv_tokens, kv_source(options))
    return Limits(
        max_input_len=least("max_input_len", longest_input(facts, places, release)),
        max_output_len=least("max_output_len", output),
        max_sequence_len=together,
        max_batch_size=least(
            "max_rolling_batch_size", Limit(facts.max_batch_size, f"max_batch_size in {_FILE}")
        ),
        kv_cache_tokens=cache,
        vocab_size=Limit(facts.vocab_size, f"vocab_size in {_FILE}"),
    )


def longest_input(facts: EngineFacts, places: Places, release: Release) -> Limit:
    """Return the longest prompt that the batch manager takes up.

    From 0.11 on the built max_input_len counts for nothing when prompts are packed and context FMHA is on, as is the
    default. Prompts that are not chunked must fit into one step.
    """
    running = places.get("ExecutorConfig") or places.get("TrtGptModelOptionalParams") or {}
    packed = bool(facts.plugins.get("remove_input_padding", True)) and bool(
        facts.plugins.get("context_fmha", True)
    )
    found = Limit(facts.max_input_len, f"max_input_len in {_FILE}")
    if packed and (release.major, release.minor) >= (0, 11):
        found = Limit(facts.max_seq_len - 1, f"max_seq_len in {_FILE}")
    step = running.get("max_num_tokens") or facts.max_num_tokens
    if packed and step and not running.get("enable_chunked_context") and step < found.value:
        return Limit(int(step), "max_num_tokens; option enable_chunked_context lifts it")
    return found


def kv_source(options: Options) -> str:
    """Say what the size of the KV cache comes from."""
    name = "kv_cache_free_gpu_mem_fraction"
    return f"option {name}={getattr(options, name)}"
