"""What `djl-trtllm check` was asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.doctor.djl_version import DjlVersion

if TYPE_CHECKING:
    from djl_trtllm.engines.trtllm.versions import Release


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked: a directory, a hub id or an address, and what is to be assumed of the machine.

    `release` is another TensorRT-LLM than the one installed, on GPUs that are not looked at; `djl` another DJL-Serving;
    `ranks` how many would be started, where that is not what the options say. `options` are those of the command line,
    with or without the prefix; nothing is stronger. `quick` leaves weights unread.
    """

    named: str
    environ: Mapping[str, str]
    release: Release | None = None
    djl: DjlVersion | None = None
    ranks: int | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    quick: bool = False
    root: Path = Path("/")
