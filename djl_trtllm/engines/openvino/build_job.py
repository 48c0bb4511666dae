"""What the worker tells its build child for OpenVINO: one JSON job. The answers are `engines.building.news`."""

from __future__ import annotations

import msgspec

SCRATCH = "scratch"
"""The directory below `Job.out` for everything that is not part of the result."""

UNQUANTISED = "unquantised"
"""Another, for the model that a quantised one is compared with once it is built."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One build. Paths are absolute; `config` replaces the checkpoint's config.json; sizes are in tokens or weights.

    With `quantize`, the unquantised model is left in `out`/unquantised for whoever started the build.
    """

    source: str
    origin: str
    out: str
    dtype: str
    tokenizer: str
    config: dict[str, object] | None = None
    trust_remote_code: bool = False
    allow_pickle: bool = False
    quantize: str | None = None
    group_size: int | None = None
    smoothquant_alpha: float = 0.8
    calib_dataset: str | None = None
    calib_size: int = 32
    position_factor: float = 1.0
