"""What is gathered for the start-up report. Nothing in here fails a load: what cannot be found out is left out."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from importlib import metadata

from djl_trtllm.compile import manifest, quality
from djl_trtllm.core import Checkpoint, CompiledModel, Limits
from djl_trtllm.engines import registry, resources
from djl_trtllm.engines.base import Runtime
from djl_trtllm.engines.estimate import HOST, Estimate
from djl_trtllm.errors import LoadError
from djl_trtllm.model import checkpoint as checkpoints
from djl_trtllm.model.families import FAMILIES
from djl_trtllm.options.table import Options
from djl_trtllm.rolling_batch import items
from djl_trtllm.service.report import Report
from djl_trtllm.telemetry.readings import Start

log = logging.getLogger(__name__)

Source = Checkpoint | CompiledModel


def estimate(runtime: Runtime, source: Source, options: Options, ranks: int) -> Estimate | None:
    """Return what a model will take, None where that cannot be said; the log tells why."""
    try:
        return runtime.estimate(source, options, ranks)
    except Exception as error:
        log.warning("what %s will take is not known: %s: %s", source.origin, type(error).__name__, error)
        return None


def report(
    runtime: Runtime,
    options: Options,
    ranks: int,
    source: Source,
    model: CompiledModel,
    expected: Estimate | None,
    limits: Limits,
    notes: Sequence[str],
    seconds: float,
) -> Report:
    """Return the report on `model`, opened by `runtime`, which is what was made of `source` or `source` itself."""
    return Report(
        origin=source.origin,
        runtime=runtime.name,
        why=registry.reason(options),
        options=options,
        family=_family(source),
        artifact=_artifact(source, model),
        quality=_quality(model),
        limits=limits,
        estimate=expected,
        free_bytes=_free(expected),
        ranks=ranks,
        seconds=seconds,
        notes=notes,
        versions=_versions(runtime.name),
    )


def told(model: CompiledModel, cached: bool) -> Start:
    """Return what the metrics tell of how `model` was had; `cached` says that it lies in the cache."""
    if not cached:
        return Start()
    try:
        took = manifest.read(model.path).build.get("seconds")
    except LoadError:
        took = None
    seconds = float(took) if isinstance(took, (int, float)) else None
    return Start("hit" if model.hit else "miss", seconds)


def _family(source: Source) -> str:
    """Return the architecture: the title of a family that we know, else what config.json calls it."""
    named = source.model_type if isinstance(source, Checkpoint) else _named_in(source)
    known = FAMILIES.get(named)
    return known.title if known is not None else named


def _named_in(model: CompiledModel) -> str:
    try:
        config = checkpoints.read_json(model.path / checkpoints.CONFIG, model.origin)
    except LoadError:
        return ""
    built = config.get("pretrained_config")
    found = config.get("model_type") or (built.get("architecture") if isinstance(built, Mapping) else None)
    return str(found or "")


def _artifact(source: Source, model: CompiledModel) -> str:
    if isinstance(source, CompiledModel):
        return f"served as it is: {model.why}" if model.why else "served as it is, compiled elsewhere"
    if model.path == source.path:
        return "the checkpoint, served as it is"
    return f"cache {'hit' if model.hit else 'miss'} ({model.path.name[:12]}): {model.why}"


def _quality(model: CompiledModel) -> str:
    try:
        known = manifest.read(model.path).quality if (model.path / manifest.NAME).exists() else None
    except LoadError:
        return ""
    return quality.line(known) if known is not None else ""


def _free(expected: Estimate | None) -> int | None:
    if expected is None:
        return None
    if expected.device == HOST:
        return resources.host_memory().free
    return min((memory.free for memory in resources.gpu_memory()[: expected.devices]), default=None)


def _versions(runtime: str) -> dict[str, str]:
    try:
        own = metadata.version("djl-trtllm")
    except metadata.PackageNotFoundError:
        own = "(not installed)"
    if items.items is not items.in_python:
        own += " (hot path compiled)"
    return {"djl-trtllm": own, **registry.libraries(runtime)}
