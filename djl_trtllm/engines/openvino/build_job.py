"""What the worker and its build child say to each other: one JSON job in, JSON lines of news out."""

from __future__ import annotations

import msgspec

SCRATCH = "scratch"
"""The directory below `Job.out` for everything that is not part of the result."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One build. Paths are absolute; `config` replaces the checkpoint's config.json; sizes are in tokens or weights."""

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


class Stage(msgspec.Struct, frozen=True, tag="stage"):
    """Progress: what is being done, and how far it is where that is known."""

    name: str
    percent: float | None = None


class Note(msgspec.Struct, frozen=True, tag="note"):
    """A line for the worker's log."""

    text: str


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The build's end when it has failed: `memory`, `disk` (with errno), `unsupported`, or `build`."""

    kind: str
    problems: list[str]
    errno: int | None = None


class Done(msgspec.Struct, frozen=True, tag="done"):
    """The build's end when it is whole."""


News = Stage | Note | Failed | Done
