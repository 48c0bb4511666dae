"""The config.pbtxt of a TensorRT-LLM model repository: its parameters as option values.

The names are those of Triton's tensorrtllm backend from 0.5 to 0.20; LMI's repositories hold the same file. What is
in it is the weakest source of options, so nothing set by the user is ever overruled by a template.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

from djl_trtllm.errors import UnsupportedModel
from djl_trtllm.model import pbtxt
from djl_trtllm.options import places
from djl_trtllm.options.table import MAX_SLOTS

NAME = "config.pbtxt"

_SAME = (
    "batch_scheduler_policy",
    "enable_chunked_context",
    "enable_kv_cache_reuse",
    "enable_trt_overlap",
    "kv_cache_free_gpu_mem_fraction",
    "kv_cache_host_memory_bytes",
    "max_beam_width",
    "max_num_sequences",
    "multi_block_mode",
)
"""Parameters that are options under the same name."""

_OURS = (
    "FORCE_CPU_ONLY_INPUT_TENSORS",
    "cancellation_check_period_ms",
    "decoupled",
    "engine_dir",
    "exclude_input_in_output",
    "executor_worker_path",
    "gpt_model_path",
    "iter_stats_max_iterations",
    "logits_datatype",
    "recv_poll_period_ms",
    "request_stats_max_iterations",
    "stats_check_period_ms",
    "tokenizer_type",
)
"""Parameters that say how Triton drives the engine, or where it lies: there is nothing to take from them here."""

_logger = logging.getLogger(__name__)


def read(file: Path) -> dict[str, str]:
    """Return option values by option name; what no option is like is named in the log, once.

    `UnsupportedModel` for a file that cannot be read, and for static batching.
    """
    try:
        config = pbtxt.parse(file.read_text(encoding="utf-8", errors="replace"))
    except OSError as error:
        raise UnsupportedModel(f"{file} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise UnsupportedModel(
            f"{file} is not protobuf text: {error}. Repair it, or remove it and set options instead."
        ) from error
    parameters = dict(_parameters(config))
    _check_batching(file, parameters)
    values = {name: parameters[name] for name in _SAME if name in parameters}
    values.update(_slots(config.value("max_batch_size")))
    tokenizer = parameters.get("tokenizer_dir", "")
    if tokenizer and places.is_directory(Path(tokenizer)):
        values["tokenizer"] = tokenizer
    unknown = sorted({*parameters} - {*_SAME, *_OURS, "batching_strategy", "gpt_model_type", "tokenizer_dir"})
    if unknown:
        _logger.info(
            "%s: no option is like %s, so what is said there has no effect", file, ", ".join(unknown[:20])
        )
    return values


def _parameters(config: pbtxt.Message) -> Iterator[tuple[str, str]]:
    """Yield the parameters that are set: a map's entries are messages with `key` and `value.string_value`."""
    for entry in config.messages.get("parameters", ()):
        key = entry.value("key")
        for value in entry.messages.get("value", ()):
            text = (value.value("string_value") or "").strip()
            if key and text:
                yield key, text


def _check_batching(file: Path, parameters: Mapping[str, str]) -> None:
    for name in ("gpt_model_type", "batching_strategy"):
        kind = parameters.get(name, "").lower()
        if kind == "v1":
            raise UnsupportedModel(
                f"{file} asks for static batching ({name}={parameters[name]}), and only in-flight batching is there."
                " Set it to inflight_fused_batching; the engine must be built with paged_kv_cache and"
                " remove_input_padding."
            )
        if kind and kind != "inflight_fused_batching":
            _logger.info("%s: %s=%s; inflight_fused_batching holds", file, name, parameters[name])


def _slots(batch: str | None) -> Mapping[str, str]:
    """Take Triton's max_batch_size, where 0 is no batching, for the most requests that run at once."""
    if batch is None or not batch.isdecimal() or int(batch) < 1:
        return {}
    return {"max_rolling_batch_size": str(min(int(batch), MAX_SLOTS))}
