"""Compile once: find the artifact of a plan, or have it built exactly once over threads, processes and containers.

Rank 0 decides (leader.py), and every rank builds its part. Whatever fails or is killed on the way, nothing half-made
is ever found by a later look-up.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack
from pathlib import Path

from djl_trtllm.compile import damaged, part
from djl_trtllm.compile.leader import Leader
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.compile.store import Store
from djl_trtllm.compile.tier import Tier
from djl_trtllm.core import CompiledModel, Progress, Team
from djl_trtllm.errors import CompileError, LoadError

_logger = logging.getLogger(__name__)


def ensure(
    recipe: Recipe, team: Team, settings: CacheSettings, progress: Progress, tier: Tier | None = None
) -> CompiledModel:
    """Return the compiled model of a recipe's plan, building it if it is not there.

    Where the cache directory cannot be written the model is compiled into a temporary one, with a warning. The model
    counts as in use until this process ends. Raises whatever `LoadError` the recipe raised, `CompileError` for the
    disk's failures, `RankError` when another rank failed.
    """
    if team.rank == 0:
        leader = Leader(recipe, team, settings, progress, tier)
        with ExitStack() as held:
            try:
                model = leader.run(held)
            except LoadError as error:
                # Before the directory and the lock go: the others must hear of it first.
                team.agree(error)
                raise
        leader.tidy()
        return model
    decision = team.share(None)
    if isinstance(decision, Path):
        part.build(team, recipe.build, decision, progress)
        decision = team.share(None)
    if isinstance(decision, CompiledModel):
        return decision
    raise CompileError("Rank 0 has sent no decision.")


def discard(model: CompiledModel, settings: CacheSettings) -> None:
    """Remove an artifact that turned out to be damaged; a model that is not from the cache is left alone.

    Where it cannot be removed, this process takes it no more.
    """
    store = Store(settings.root)
    if model.path.parent != store.artifacts:
        return
    damaged.found[model.path] = store.stamp(model.path.name)
    try:
        store.discard(model.path.name)
    except OSError as error:
        _logger.warning("the damaged model %s cannot be removed: %s", model.path, error.strerror)
