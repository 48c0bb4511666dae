"""What option.quality_floor refuses: a quantised model that differs from its source too much, or nobody knows how much.

It stands before serving and not before publishing: what was compiled for minutes is kept, so that a worker that starts
again is refused at once, and a lower floor makes a hit of it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from djl_trtllm.compile import manifest
from djl_trtllm.compile.quality import line
from djl_trtllm.core import CompiledModel
from djl_trtllm.errors import QualityError

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

_OWN_TEXTS = "calibration with texts of your own (calib_dataset, calib_size)"
_TRY: Mapping[str, str] = {
    "int4": "a smaller openvino_group_size (openvino runtime), quantize=awq, or quantize=int8",
    "awq": f"{_OWN_TEXTS}, a smaller awq_block_size, or quantize=int8",
    "smoothquant": f"{_OWN_TEXTS}, another smoothquant_alpha, or quantize=int8",
    "fp8": f"{_OWN_TEXTS}, or quantize=int8",
    "int8": "a build without quantize",
}
"""What keeps closer to the source, by the value of option.quantize."""

_logger = logging.getLogger(__name__)


def check(model: CompiledModel, options: Options) -> None:
    """Refuse with `QualityError` a model below the floor, or one that was quantised and not compared."""
    floor = options.quality_floor
    if floor is None:
        return
    said = f"quality_floor={floor:g} (from {options.source_of('quality_floor')})"
    listed = (model.path / manifest.NAME).exists()
    known = manifest.read(model.path) if listed else None
    quality = known.quality if known is not None else None
    if quality is None and (not listed or options.quantize is None):
        why = (
            "it is not quantised"
            if listed
            else "it was compiled elsewhere, and no manifest says how it compares"
        )
        _logger.warning("%s has no effect on %s: %s.", said, model.origin, why)
        return
    agreement = quality.get("agreement") if quality is not None else None
    if not isinstance(agreement, (int, float)):
        raise QualityError(_not_compared(model.origin, said, quality))
    if agreement < floor:
        raise QualityError(_below(model.origin, said, quality or {}, options.quantize))


def _not_compared(origin: str, said: str, quality: Mapping[str, object] | None) -> str:
    note = str(quality.get("note") or "") if quality is not None else ""
    because = f" ({note.rstrip('.')})" if note else ""
    return (
        f"{said} wants the quantised model {origin} compared with the unquantised one, and it was not{because}. Set"
        " option.cache=rebuild to compile and compare it again, or remove quality_floor."
    )


def _below(origin: str, said: str, quality: Mapping[str, object], quantize: str | None) -> str:
    how = f"quantize={quantize}" if quantize else "being quantised"
    ways = _TRY.get(quantize or "", "another quantize")
    return (
        f"After {how}, {origin} is below {said}: {line(quality)}. Try {ways}; or lower quality_floor, which takes this"
        " build as it is."
    )
