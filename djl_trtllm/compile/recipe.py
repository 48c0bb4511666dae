"""A recipe: what the cache needs to know to find a compiled model or to have it built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from djl_trtllm.core import Plan, Progress

Build = Callable[[Path, Progress], None]
Assess = Callable[[Path, Progress], "Mapping[str, object] | None"]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to get the artifact of one plan.

    `build` fills the empty directory it is given; each rank calls it with the same one. `assess` runs on rank 0 once
    every rank has built and before anything is published: it returns the quality of what was built as JSON values for
    the manifest, or None, and raises `CompileError` to refuse the build, of which nothing stays then.
    `room` says how many bytes the build takes on disk at its peak; it is asked before a build only.
    `options` are the option values behind the plan, each with its source, as the manifest shows them: never secrets.
    """

    plan: Plan
    build: Build
    assess: Assess | None = None
    options: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    room: Callable[[], int] | None = None
