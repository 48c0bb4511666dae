"""Iteration statistics: one record a step, kept until somebody reads them."""

from __future__ import annotations

import datetime
import json
from collections import deque
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.loop import Loop
from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour

BINDINGS = "tensorrt_llm.bindings.executor"
RECORDS = tuple(
    f"{BINDINGS}.{name}" for name in ("IterationStats", "RequestStats", "RequestStatsPerIteration")
)


@behaviour(*RECORDS)
class Record:
    """Statistics as JSON, under the names that the attributes have."""

    def __init__(self, context: Context, **_: Any) -> None:
        self._shell = context.shell

    def to_json_str(self) -> str:
        return json.dumps(_camel(self._shell))


class Statistics:
    """The last `iter_stats_max_iterations` steps of a loop."""

    def __init__(self, library: Any, executor_config: Any, loop: Loop) -> None:
        self._library = library
        self._loop = loop
        self._kept: deque[dict[str, Any]] = deque(maxlen=executor_config.iter_stats_max_iterations)

    def step(self) -> None:
        """Take note of the step that has just been done; under the lock of the loop."""
        self._kept.append(self._now())

    def iterations(self) -> list[Any]:
        """Return the records since the last call."""
        with self._loop.changed:
            kept = list(self._kept)
            self._kept.clear()
        return [self._record(values) for values in kept]

    def _record(self, values: dict[str, Any]) -> Any:
        record = self._library.record
        parts = {
            "kv_cache_stats": record(f"{BINDINGS}.KvCacheStats", **values["kv"]),
            "inflight_batching_stats": record(f"{BINDINGS}.InflightBatchingStats", **values["batch"]),
        }
        made = record(RECORDS[0], **values["top"], **parts)
        object.__setattr__(made, "_behaviour", Record(Context(self._library, RECORDS[0], shell=made)))
        return made

    def _now(self) -> dict[str, Any]:
        scheduler = self._loop.scheduler
        kv, counts, running = scheduler.kv, scheduler.counts, len(scheduler.running)
        top = {
            "timestamp": datetime.datetime.now().strftime("%m-%d-%Y %H:%M:%S.%f"),
            "iter": scheduler.steps,
            "iter_latency_ms": self._loop.latency * 1000,
            "new_active_requests_queue_latency_ms": 0.0,
            "num_new_active_requests": counts.context,
            "num_active_requests": running,
            "num_queued_requests": self._loop.queued,
            "num_completed_requests": counts.completed,
            "max_num_active_requests": scheduler.max_batch_size,
            "gpu_mem_usage": 1 << 30,
            "cpu_mem_usage": 0,
            "pinned_mem_usage": 0,
        }
        cache = {
            "max_num_blocks": kv.total,
            "free_num_blocks": kv.total - kv.used,
            "used_num_blocks": kv.used,
            "tokens_per_block": kv.tokens_per_block,
            "alloc_total_blocks": kv.allocated,
            "alloc_new_blocks": kv.allocated,
            "reused_blocks": kv.reused,
            "missed_blocks": kv.allocated - kv.reused,
            "cache_hit_rate": kv.reused / max(1, kv.allocated),
        }
        batch = {
            "num_scheduled_requests": counts.context + counts.generating,
            "num_context_requests": counts.context,
            "num_gen_requests": counts.generating,
            "num_paused_requests": counts.paused,
            "num_ctx_tokens": counts.context_tokens,
            "micro_batch_id": 0,
            "avg_num_decoded_tokens_per_iter": counts.decoded / max(1, counts.context + counts.generating),
        }
        return {"top": top, "kv": cache, "batch": batch}


def _camel(value: Any) -> Any:
    fields = getattr(value, "_values", None)
    if fields is None:
        return value
    return {_word(name): _camel(item) for name, item in fields.items()}


def _word(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
