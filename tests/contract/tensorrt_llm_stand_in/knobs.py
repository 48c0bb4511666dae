"""What a test chooses about the machine and the library, beside the row."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

VARIABLE = "TENSORRT_LLM_STAND_IN"
"""The environment variable with the knobs as JSON."""


CAPABILITIES = {
    "Tesla T4": "7.5",
    "NVIDIA A100-SXM4-40GB": "8.0",
    "NVIDIA A10G": "8.6",
    "NVIDIA L4": "8.9",
    "NVIDIA H100 80GB HBM3": "9.0",
}
"""Compute capability by name."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPUs of this machine, all alike; `count` 0 is a machine without any."""

    name: str = "NVIDIA A10G"
    capability: str = "8.6"
    count: int = 8

    @classmethod
    def of(cls, value: bool | str | Mapping[str, Any] | Gpu) -> Gpu:
        """Read a knob: True, False (none), a name of `CAPABILITIES`, or the fields."""
        if isinstance(value, Gpu):
            return value
        if isinstance(value, bool):
            return cls() if value else cls(count=0)
        if isinstance(value, str):
            return cls(name=value, capability=CAPABILITIES[value])
        return cls(**value)


@dataclass(frozen=True, slots=True)
class Knobs:
    """`step` is how long one decoding step takes in seconds; `strict_device` refuses a build on the wrong GPU.

    `options` are knobs of single behaviours, by name.
    """

    gpu: Gpu = field(default_factory=Gpu)
    faults: Sequence[Mapping[str, Any]] = ()
    step: float = 0.0
    strict_device: bool = True
    log: Path | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, **values: Any) -> Knobs:
        """Read knobs as `installed` and `environment` are given them."""
        own = {name: values.pop(name) for name in ("faults", "step", "strict_device") if name in values}
        gpu, log = Gpu.of(values.pop("gpu", True)), values.pop("log", None)
        return cls(gpu=gpu, log=None if log is None else Path(log), options=values, **own)


def to_environment(row: str, knobs: Mapping[str, Any]) -> str:
    """Return the value of `VARIABLE` for a row and the knobs `installed` takes."""
    Knobs.of(**knobs)
    kept = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in knobs.items()
    }
    return json.dumps({"row": row, **kept})


def from_environment() -> tuple[str, Knobs]:
    """Return the row and the knobs of this process."""
    values = json.loads(os.environ[VARIABLE])
    return values.pop("row"), Knobs.of(**values)
