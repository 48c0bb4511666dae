"""The pieces between DJL's steps and an open engine, put together for one model."""

from __future__ import annotations

from pathlib import Path

from djl_trtllm.engines.base import Engine
from djl_trtllm.formats import custom
from djl_trtllm.formats.custom import CustomFormatter
from djl_trtllm.formats.registry import Writers
from djl_trtllm.options.table import Options
from djl_trtllm.rolling_batch.admit import Admission
from djl_trtllm.rolling_batch.inbox import QueueInbox
from djl_trtllm.rolling_batch.loop import RollingBatch
from djl_trtllm.rolling_batch.prompts import Prompts
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.schemas.schemas import Schemas
from djl_trtllm.telemetry import origin
from djl_trtllm.telemetry.meter import Meter
from djl_trtllm.telemetry.requests import RequestLog
from djl_trtllm.telemetry.stall import StallWatch, Watched
from djl_trtllm.telemetry.tracing import Tracing
from djl_trtllm.text.template import ChatTemplate
from djl_trtllm.text.tokenizer import Tokenizer


def formatter_of(options: Options) -> CustomFormatter | None:
    """Return the output formatter of the model's author, if the options name one. Raises `OptionsError`."""
    spec = options.output_formatter
    return custom.load(spec, Path(options.model_dir)) if spec is not None and ":" in spec else None


def assemble(
    options: Options,
    engine: Engine,
    inbox: QueueInbox,
    tokenizer: Tokenizer,
    item_chars: int,
    formatter: CustomFormatter | None = None,
    watched: Watched | None = None,
    meter: Meter | None = None,
    tracing: Tracing | None = None,
) -> RollingBatch:
    """Return the loop around an engine that was opened with `inbox`.

    `item_chars` is what one item on DJL's wire can carry, in characters. `watched` is the engine where it can be
    replaced when it hangs. Raises `ArtifactError` where the model's chat template is broken.
    """
    source = tokenizer.chat_template
    template = ChatTemplate(source, tokenizer.special_tokens) if source is not None else None
    room = Prompts(tokenizer, engine.limits, options.on_long_input)
    schemas = Schemas(Defaults.of(options), engine.limits, engine.features, template, tokenizer.decode, room)
    writers = Writers(tokenizer.special_ids, tokenizer.token_text, tokenizer.token_bytes, formatter)
    admission = Admission(schemas.parse, writers.make, tokenizer, engine.limits, options.on_long_input)
    traced = tracing is not None and tracing.on
    requests = RequestLog(
        options.log_requests != "off",
        origin.traced if traced else None,
        tracing.ended if tracing is not None and traced else None,
    )
    watch = StallWatch(options.stall_timeout, watched) if watched is not None else None
    return RollingBatch(
        engine, inbox, admission, item_chars, requests, options.queue_max_tokens, watch, meter
    )
