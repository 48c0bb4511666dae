"""What all metrics read at one moment: from the meter, the engine and the start, in the catalogue's order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from djl_trtllm.core import EngineStats
from djl_trtllm.errors import RequestError
from djl_trtllm.telemetry import catalog as c
from djl_trtllm.telemetry.catalog import Metric
from djl_trtllm.telemetry.histogram import Histogram
from djl_trtllm.telemetry.meter import Meter

SUCCESSES = {"eos_token": "stop", "stop_sequence": "stop", "length": "length"}
"""How vLLM calls the reasons of an end, by how LMI's response schema does."""

NONE_YET = dict.fromkeys((kind.code for kind in RequestError.__subclasses__()), 0)
"""A counter that is not there before it is 1 has, for Prometheus, never risen."""

Labels = tuple[str, ...]
"""Values of a metric's own labels, in their order."""


class Told(Protocol):
    """What tells of its load; a supervisor, which also tells of its engines."""

    def stats(self) -> EngineStats:
        """Return a recent snapshot."""
        ...


@dataclass(slots=True)
class Start:
    """What the start leaves to be told. `cache` is "hit" or "miss", empty where the cache was not asked.

    `compile_seconds` is None where the model was not compiled by us.
    """

    cache: str = ""
    compile_seconds: float | None = None
    load_seconds: float = 0.0


@dataclass(slots=True)
class Sources:
    """Where the numbers come from. `engine` is None until there is one; `preparing` counts who is not in it yet."""

    meter: Meter = field(default_factory=Meter)
    start: Start = field(default_factory=Start)
    engine: Told | None = None
    preparing: Callable[[], int] = int


@dataclass(frozen=True, slots=True)
class Reading:
    """One metric and its values by labels. Empty where there is nothing to tell."""

    metric: Metric
    values: Mapping[Labels, float | Histogram]


def read(sources: Sources) -> list[Reading]:
    """Read every metric of the catalogue."""
    found = {metric: dict(values) for metric, values in _values(sources)}
    return [Reading(metric, found.get(metric, {})) for metric in c.CATALOG]


def _values(sources: Sources) -> Iterator[tuple[Metric, Mapping[Labels, float | Histogram]]]:
    meter, start, stats = sources.meter, sources.start, _stats(sources.engine)
    alone: dict[Metric, float | Histogram | None] = {
        c.TIME_TO_FIRST_TOKEN: meter.first_token,
        c.INTER_TOKEN_LATENCY: meter.between_tokens,
        c.E2E_REQUEST_LATENCY: meter.total,
        c.REQUEST_QUEUE_TIME: meter.queue,
        c.STEP_DURATION: meter.step,
        c.RUNNING: stats.running,
        c.WAITING: stats.waiting + sources.preparing(),
        c.KV_CACHE_USAGE: None if stats.kv_blocks is None else stats.kv_used_percent / 100,
        c.KV_CACHE_BLOCKS: stats.kv_blocks,
        c.PREFIX_QUERIES: stats.prefix_queries,
        c.PREFIX_HITS: stats.prefix_hits,
        c.PROMPT_TOKENS: meter.prompted,
        c.GENERATION_TOKENS: meter.generated,
        c.REQUESTS_CANCELLED: meter.cancelled,
        c.DECODE_RECOVERIES: meter.recoveries,
        c.COMPILE_SECONDS: start.compile_seconds,
        c.LOAD_SECONDS: start.load_seconds,
        c.ENGINE_UP: int(stats.up),
        c.ENGINE_REOPENINGS: stats.reopenings,
        c.ENGINE_STALLS: stats.stalls,
    }
    for metric, value in alone.items():
        if value is not None:
            yield metric, {(): value}
    yield c.REQUEST_SUCCESS, _successes(dict(meter.reasons))
    yield c.REQUEST_ERRORS, {(code,): n for code, n in {**NONE_YET, **meter.codes}.items()}
    yield c.ENGINE_CACHE, {(result,): int(start.cache == result) for result in ("hit", "miss")}


def _successes(reasons: Mapping[str, int]) -> Mapping[Labels, float]:
    found: dict[Labels, float] = {(reason,): 0 for reason in SUCCESSES.values()}
    for reason, number in reasons.items():
        found[SUCCESSES.get(reason, reason),] = found.get((SUCCESSES.get(reason, reason),), 0) + number
    return found


def _stats(engine: Told | None) -> EngineStats:
    """Return what the engine tells; nothing runs in one that is closed, or not open yet."""
    if engine is None:
        return EngineStats(up=False)
    try:
        return engine.stats()
    except RuntimeError:  # EngineClosedError, which is of a layer beside this one
        return EngineStats(up=False)
