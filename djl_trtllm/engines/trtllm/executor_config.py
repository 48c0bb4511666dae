"""From resolved arguments to the configuration of a batch manager, within what the engine was built for."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from djl_trtllm.core import Team
from djl_trtllm.engines.guides.vocabulary import Vocabulary
from djl_trtllm.engines.trtllm import guided, kv_size
from djl_trtllm.engines.trtllm.engine_files import EngineFacts
from djl_trtllm.engines.trtllm.resolved import Resolved

logger = logging.getLogger(__name__)

Places = dict[str, dict[str, Any]]

_PARTS = {
    "KvCacheConfig": "kv_cache_config",
    "SchedulerConfig": "scheduler_config",
    "ExtendedRuntimePerfKnobConfig": "extended_runtime_perf_knob_config",
}
"""Places that are arguments of ExecutorConfig, by the argument."""

_ENUMS = {
    "capacity_scheduler_policy": "CapacitySchedulerPolicy",
    "policy": "SchedulerPolicy",
    "scheduler_policy": "SchedulerPolicy",
}
"""Arguments that take a member of an enum."""

_NEEDS_PAGED_CONTEXT = (
    ("KvCacheConfig", "enable_block_reuse"),
    ("ExecutorConfig", "enable_chunked_context"),
    ("TrtGptModelOptionalParams", "enable_chunked_context"),
)
"""What the library refuses for an engine without `use_paged_context_fmha`."""

_AT_MOST_BUILT = (
    ("ExecutorConfig", "max_beam_width"),
    ("ExecutorConfig", "max_batch_size"),
    ("ExecutorConfig", "max_num_tokens"),
    ("GptManager", "max_beam_width"),
)
"""What the library refuses when it is more than the engine was built for."""


def fitted(resolved: Resolved, facts: EngineFacts) -> tuple[Places, list[str]]:
    """Return the arguments of run time with what this engine cannot do taken back, and a line for each of those."""
    places: Places = {place: dict(values) for place, values in resolved.arguments.items()}
    notes = [*_lowered(places, facts), *_switched_off(places, facts)]
    size = places.pop("KvCache", {}).get("max_bytes")
    if size is not None:
        tokens = kv_size.tokens_in(int(size), facts.path, facts.tp_size, facts.pp_size)
        if tokens is None:
            notes.append("The size of a token in the KV cache is unknown, so its own default size holds.")
        else:
            places.setdefault("KvCacheConfig", {})["max_tokens"] = tokens
    return places, notes


def executor_config(
    bindings: ModuleType | Any, places: Places, team: Team, gpus: int, tokens: Vocabulary | None = None
) -> Any:
    """Make the ExecutorConfig of one rank; `gpus` are those this machine shows, 0 where that is unknown.

    `bindings` is `tensorrt_llm.bindings.executor`. Every rank makes the same. `tokens` are for guides, where there are
    to be any.
    """
    arguments = dict(places.get("ExecutorConfig", {}))
    for place, argument in _PARTS.items():
        if places.get(place):
            arguments[argument] = getattr(bindings, place)(**members(bindings, places[place]))
    if tokens is not None:
        arguments["guided_decoding_config"] = guided.config(bindings, tokens)
    if team.size > 1:
        ranks = list(range(team.size))
        arguments["parallel_config"] = bindings.ParallelConfig(
            communication_type=bindings.CommunicationType.MPI,
            communication_mode=bindings.CommunicationMode.LEADER,
            participant_ids=ranks,
            device_ids=[rank % gpus for rank in ranks] if gpus else None,
        )
    return bindings.ExecutorConfig(**arguments)


def members(bindings: ModuleType | Any, values: dict[str, Any]) -> dict[str, Any]:
    """Put members of enums in the places of their names."""
    return {
        name: getattr(getattr(bindings, _ENUMS[name]), value) if name in _ENUMS else value
        for name, value in values.items()
    }


def _lowered(places: Places, facts: EngineFacts) -> Iterator[str]:
    for place, name in _AT_MOST_BUILT:
        asked, built = places.get(place, {}).get(name), getattr(facts, name)
        if asked is not None and built is not None and asked > built:
            places[place][name] = built
            yield f"{name} is lowered from {asked} to {built}, which the engine was built for."


def _switched_off(places: Places, facts: EngineFacts) -> Iterator[str]:
    for place, name in _NEEDS_PAGED_CONTEXT:
        if places.get(place, {}).get(name) and not facts.paged_context_fmha:
            places[place][name] = False
            yield f"{name} is off: the engine was built without use_paged_context_fmha."
