"""What a GPU is too old for. Each refusal names the option, the GPU and its compute capability."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from djl_trtllm.engines.trtllm.gpus import Gpu

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

_BF16 = (8, 0)
_FP8 = (8, 9)


def problems(options: Options, devices: Sequence[Gpu]) -> list[str]:
    """Return one sentence for each option that needs a newer GPU than the oldest here."""
    if not devices:
        return []
    oldest = min(devices, key=lambda gpu: gpu.compute)
    needs = (
        ("dtype", options.dtype == "bf16", _BF16, "Set dtype=fp16"),
        ("quantize", options.quantize == "fp8", _FP8, "Choose another quantize"),
        ("use_fp8_context_fmha", options.use_fp8_context_fmha, _FP8, "Remove the option"),
    )
    return [
        f"{name}={str(getattr(options, name)).lower()} (from {options.source_of(name)}) needs compute capability"
        f" {need[0]}.{need[1]}; {oldest.name} has {oldest.capability}. {way_out}, or use a newer GPU."
        for name, asked, need, way_out in needs
        if asked and oldest.compute < need
    ]
