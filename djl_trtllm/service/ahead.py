"""Ahead of a load: compile what it would, or tell what it would find. Both go a load's own way, up to the engine.

compiled    every rank of an MPI job calls it; what it leaves in the cache is a hit for a load of the same options
foreseen    one process looks, whatever number of ranks a load would have; nothing is built
"""

from __future__ import annotations

import faulthandler
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from djl_trtllm.compile import plan as plans
from djl_trtllm.compile import reasons, second_tier
from djl_trtllm.compile.manifest import Manifest
from djl_trtllm.compile.reasons import Nearest
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.compile.store import Store
from djl_trtllm.core import CompiledModel, Progress
from djl_trtllm.engines import registry
from djl_trtllm.options import explain, sources
from djl_trtllm.options.table import Options
from djl_trtllm.ranks import ending
from djl_trtllm.ranks.mpi_team import LISTEN_EVERY, MpiTeam
from djl_trtllm.ranks.solo import Solo
from djl_trtllm.service import joining
from djl_trtllm.service.artifact import Artifact
from djl_trtllm.service.joining import Joined

log = logging.getLogger(__name__)

Highest = tuple[str, Mapping[str, str]]

AS_LONG_AS_IT_TAKES = 7 * 24 * 3600.0
"""Seconds for building ahead of time: nobody waits for it with a loading timeout."""


@dataclass(frozen=True, slots=True)
class Ahead:
    """What a load of these options opens from now on.

    `cached` says that it lies in the cache directory; else it is what the options name, taken as it is.
    """

    model: CompiledModel
    options: Options
    runtime: str
    cached: bool


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a load of these options would find.

    `key` is None where the model is taken as it is. `found` is the whole artifact that would be a hit, None where it
    would be compiled: because of a `problem` with the one that is there, or because there is none; then `nearest` is
    the artifact that is most like it, if any is. `mode` is option.cache.
    """

    options: Options
    runtime: str
    origin: str
    store: Store
    mode: str
    key: str | None = None
    found: Manifest | None = None
    problem: str = ""
    nearest: Nearest | None = None

    @property
    def hit(self) -> bool:
        """Whether a load would compile nothing."""
        return self.key is None or (self.found is not None and self.mode == "use")


def compiled(
    properties: Mapping[str, object],
    environ: Mapping[str, str],
    progress: Progress,
    then: Callable[[Ahead], None],
    highest: Highest | None = None,
) -> None:
    """Have the model of these options compiled and in the cache, on every rank; `then` is called with it on rank 0.

    The other ranks wait for `then`. `highest` are a source's name and option values that win over all others. Raises
    `LoadError` on every rank where it fails on any.
    """
    joined = joining.join(properties, environ, highest)
    ending.attend(joined.team, lambda: _compile(joined, environ, progress, then))
    if isinstance(joined.team, MpiTeam):
        # MPI_Finalize, at the end of Python, must not meet a thread that still listens.
        joined.team.leave()
        time.sleep(2 * LISTEN_EVERY)


def _compile(
    joined: Joined, environ: Mapping[str, str], progress: Progress, then: Callable[[Ahead], None]
) -> None:
    options, runtime, team = joined.options, joined.runtime, joined.team
    team.within(AS_LONG_AS_IT_TAKES)
    faulthandler.cancel_dump_traceback_later()
    joining.compare(options, team)
    if team.rank == 0:
        _say_notes(options, runtime.name)
    artifact = Artifact(runtime, options, team, environ, progress)
    model = artifact.find()
    if team.rank == 0:
        then(Ahead(model, options, runtime.name, artifact.cached))
        second_tier.settle()
    team.agree()


def foreseen(
    properties: Mapping[str, object],
    environ: Mapping[str, str],
    progress: Progress,
    highest: Highest | None = None,
) -> Foresight:
    """Tell what a load of these options would find here. Raises `LoadError` where it would fail before compiling.

    A model on the hub is fetched as a load would, because its files are part of the question.
    """
    options = sources.read(properties, environ, highest=highest)
    world = registry.ranks_of(options)
    runtime = registry.choose(options, world)
    _say_notes(options, runtime.name)
    artifact = Artifact(runtime, options, _Whole(world), environ, progress)
    model, plan = artifact.intended()
    store = Store(CacheSettings.of(options, environ).root)
    if plan is None:
        return Foresight(options, runtime.name, model.origin, store, options.cache)
    key = plans.key(plan)
    problem = store.problem(key)
    foresight = Foresight(options, runtime.name, model.origin, store, options.cache, key, problem=problem)
    if problem:
        return foresight
    if found := store.find(key):
        return replace(foresight, found=found)
    named = str(options.model_id) if "model_id" in options.sources else ""
    return replace(foresight, nearest=reasons.nearest(plans.content(plan), named, store.manifests()))


def _say_notes(options: Options, runtime: str) -> None:
    """Log what is odd about the options."""
    for note in explain.notes(options, runtime):
        log.warning("%s", note)


class _Whole(Solo):
    """A team of `size` ranks as rank 0 sees it before there are others."""

    def __init__(self, size: int) -> None:
        self.size = size
