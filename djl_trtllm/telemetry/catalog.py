"""Every metric once: its name, what kind it is, what it says. Exposition, log lines, docs and tests go by this table.

Names are vLLM's (0.11, V1) where it has the metric, with a prefix of our own in place of `vllm:`: the numbers are those
of another server, and Prometheus reserves the colon for recording rules.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

PREFIX = "djl_trtllm_"

FIRST_TOKEN = (
    *(0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0, 160.0, 640.0, 2560.0),
)
BETWEEN_TOKENS = (
    *(0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75),
    *(1.0, 2.5, 5.0, 7.5, 10.0, 20.0, 40.0, 80.0),
)
REQUEST = (
    *(0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 20.0, 30.0),
    *(40.0, 50.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1920.0, 7680.0),
)
"""Upper bounds in seconds, as vLLM has them (vllm/v1/metrics, 0.11)."""
STEP = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)


class Kind(enum.Enum):
    """What a metric is to Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `name` lacks the prefix, and a counter's its `_total`; `labels` come beside `model_name`."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: Sequence[float] = ()

    @property
    def exported(self) -> str:
        """The name in queries; a histogram's with `_bucket`, `_sum` or `_count` behind it."""
        return f"{PREFIX}{self.name}{'_total' if self.kind is Kind.COUNTER else ''}"


def _counter(name: str, told: str, *labels: str) -> Metric:
    return Metric(name, Kind.COUNTER, told, labels)


def _gauge(name: str, told: str) -> Metric:
    return Metric(name, Kind.GAUGE, told)


def _histogram(name: str, told: str, buckets: Sequence[float]) -> Metric:
    return Metric(name, Kind.HISTOGRAM, told, (), buckets)


TIME_TO_FIRST_TOKEN = _histogram(
    "time_to_first_token_seconds",
    "Seconds from a request's arrival in the worker to the first token of each of its sequences.",
    FIRST_TOKEN,
)
INTER_TOKEN_LATENCY = _histogram(
    "inter_token_latency_seconds",
    "Seconds between two steps of the engine, once for each sequence that the later one continued.",
    BETWEEN_TOKENS,
)
E2E_REQUEST_LATENCY = _histogram(
    "e2e_request_latency_seconds",
    "Seconds from a request's arrival in the worker to its last reply.",
    REQUEST,
)
REQUEST_QUEUE_TIME = _histogram(
    "request_queue_time_seconds",
    "Seconds from a request's arrival in the worker until it was ready for the engine; DJL's own queue is not in it.",
    REQUEST,
)
STEP_DURATION = _histogram(
    "step_duration_seconds",
    "Seconds that a step of the rolling batch took, without those in which it waited for the engine.",
    STEP,
)
RUNNING = _gauge("num_requests_running", "Sequences in the engine's batch.")
WAITING = _gauge("num_requests_waiting", "Sequences that wait for a place in the engine's batch.")
KV_CACHE_USAGE = _gauge(
    "kv_cache_usage_perc", "Used part of the KV cache, where the engine tells; 1 is all of it."
)
KV_CACHE_BLOCKS = _gauge("kv_cache_blocks", "Blocks of the KV cache, where the engine tells.")
PREFIX_QUERIES = _counter(
    "prefix_cache_queries",
    "Prompt tokens looked for in the KV cache of earlier prompts, where the engine tells.",
)
PREFIX_HITS = _counter(
    "prefix_cache_hits", "Prompt tokens found in the KV cache of earlier prompts, where the engine tells."
)
PROMPT_TOKENS = _counter("prompt_tokens", "Prompt tokens of requests that got a token.")
GENERATION_TOKENS = _counter("generation_tokens", "Tokens generated.")
REQUEST_SUCCESS = _counter(
    "request_success",
    "Requests that ended well: stop is an end token or a stop string, length the limit of tokens.",
    "finished_reason",
)
REQUEST_ERRORS = _counter("request_errors", "Requests that ended with an error, by its code.", "code")
REQUESTS_CANCELLED = _counter("requests_cancelled", "Requests that DJL gave up before they had ended.")
DECODE_RECOVERIES = _counter(
    "decode_recoveries", "Times that decoding a text began afresh, as after odd runs of bytes."
)
ENGINE_CACHE = _counter(
    "engine_cache_lookups", "Looks for the compiled model in the cache at a start: hit or miss.", "result"
)
COMPILE_SECONDS = _gauge(
    "compile_seconds", "Seconds that compiling the model took, be it at this start or an earlier one."
)
LOAD_SECONDS = _gauge(
    "model_load_seconds", "Seconds that the last load of the model took, compiling included."
)
ENGINE_UP = _gauge(
    "engine_up", "1 while an engine is open, 0 while it is being opened or when it is given up."
)
ENGINE_REOPENINGS = _counter("engine_reopenings", "Engines that were opened in the place of a broken one.")
ENGINE_STALLS = _counter("engine_stalls", "Times that the engine made no progress for option.stall_timeout.")

CATALOG = (
    TIME_TO_FIRST_TOKEN,
    INTER_TOKEN_LATENCY,
    E2E_REQUEST_LATENCY,
    REQUEST_QUEUE_TIME,
    STEP_DURATION,
    RUNNING,
    WAITING,
    KV_CACHE_USAGE,
    KV_CACHE_BLOCKS,
    PREFIX_QUERIES,
    PREFIX_HITS,
    PROMPT_TOKENS,
    GENERATION_TOKENS,
    REQUEST_SUCCESS,
    REQUEST_ERRORS,
    REQUESTS_CANCELLED,
    DECODE_RECOVERIES,
    ENGINE_CACHE,
    COMPILE_SECONDS,
    LOAD_SECONDS,
    ENGINE_UP,
    ENGINE_REOPENINGS,
    ENGINE_STALLS,
)
