"""What must hold between options. Each rule says both options, where they were set, and the way out."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from djl_trtllm.options.table import DEFAULTS

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options


def problems(options: Options, properties: Mapping[str, object], wrong: Collection[str] = ()) -> list[str]:
    """Return one sentence for each rule that the options, or DJL's own `properties`, break.

    `wrong` names options that have a value of the wrong kind; they are not called missing.
    """
    found = []
    scaling = ("rotary_scaling_type", "rotary_scaling_factor")
    for here, other in (scaling, scaling[::-1]):
        if getattr(options, here) is not None and getattr(options, other) is None and other not in wrong:
            found.append(f"{_said(options, here)} needs {other} as well.")
    if options.quantize != "smoothquant" and "quantize" not in wrong:
        found += [
            f"{_said(options, name)} needs quantize=smoothquant. Set it, or remove the option."
            for name in ("smoothquant_alpha", "smoothquant_per_token", "smoothquant_per_channel")
            if getattr(options, name) != DEFAULTS[name]
        ]
    if str(properties.get("async_mode", "")).strip().lower() == "true":
        found.append(
            "async_mode=true is not for this handler, which answers step by step; "
            "set option.rolling_batch=trtllm and option.async_mode=false."
        )
    return found


def _said(options: Options, name: str) -> str:
    value = getattr(options, name)
    text = str(value).lower() if isinstance(value, bool) else value
    return f"{name}={text} (from {options.source_of(name)})"
