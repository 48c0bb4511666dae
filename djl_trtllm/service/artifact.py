"""From options to an engine directory: the model is found, and compiled where it is a checkpoint not compiled before.

Rank 0 alone looks, downloads and plans; the other ranks get what it decides, and build their parts.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import cast

from djl_trtllm.compile import cache, remote
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.core import Checkpoint, CompiledModel, Plan, Progress, Team
from djl_trtllm.engines.base import Runtime
from djl_trtllm.errors import UnsupportedModel
from djl_trtllm.model.locate import locate
from djl_trtllm.options.table import Options
from djl_trtllm.service import quality_gate

log = logging.getLogger(__name__)

_NAMED = ("model_id", "revision", "trust_remote_code", "allow_pickle_weights")


class Artifact:
    """The model that the options name, as one runtime takes it.

    `cached` says that the last one found is from our cache, `listed` that a manifest beside it is of its files.
    `source` is what the options name, once it is found. `before_build` is called with it before anything is built.
    """

    def __init__(
        self,
        runtime: Runtime,
        options: Options,
        team: Team,
        environ: Mapping[str, str],
        progress: Progress,
        before_build: Callable[[Checkpoint], None] | None = None,
    ) -> None:
        self._runtime = runtime
        self._options = options
        self._team = team
        self._environ = environ
        self._progress = progress
        self._settings = CacheSettings.of(options, environ)
        self._before_build = before_build
        self._model: CompiledModel | None = None
        self.source: CompiledModel | Checkpoint | None = None
        self.cached = False
        self.listed = True

    def find(self) -> CompiledModel:
        """Return what the runtime can open. Raises `LoadError`; `RankError` where it was another rank's."""
        found, plan = self.intended()
        if isinstance(found, CompiledModel):
            log.info("serving the compiled model as it is: %s", found.origin)
            return self._good_enough(found)
        if plan is None:
            self.listed = False
            log.info("serving the checkpoint as it is: %s", found.origin)
            return CompiledModel(found.path, found.origin)

        def build(out: Path, progress: Progress) -> None:
            if self._before_build is not None:
                self._before_build(found)
            self._runtime.build(found, self._options, self._team, out, progress)

        def assess(out: Path, progress: Progress) -> Mapping[str, object] | None:
            quality = self._runtime.assess(found, self._options, self._team, out, progress)
            return None if quality is None else quality.content()

        described = _described(self._options, self._runtime.name)
        recipe = Recipe(plan, build, assess, described, lambda: self._room(found))
        tier = remote.tier(self._settings.remote, self._environ)
        self._model = cache.ensure(recipe, self._team, self._settings, self._progress, tier)
        self.cached = True
        return self._good_enough(self._model)

    def intended(self) -> tuple[CompiledModel | Checkpoint, Plan | None]:
        """Return the model, and the plan of what is to be compiled of it; None where it is taken as it is."""
        self.source = found = self._located()
        if isinstance(found, CompiledModel):
            self._check_format(found)
            return found, None
        return found, self._plan(found)

    def discard(self) -> None:
        """Remove a cached model that turned out to be damaged."""
        if self._model is not None:
            cache.discard(self._model, self._settings)

    def _located(self) -> CompiledModel | Checkpoint:
        leads = self._team.rank == 0
        found = locate(self._options, self._environ, self._progress) if leads else None
        return cast("CompiledModel | Checkpoint", self._team.share(found))

    def _plan(self, checkpoint: Checkpoint) -> Plan | None:
        leads = self._team.rank == 0
        if leads:
            self._progress.stage("reading the files of the checkpoint")
        plan = self._runtime.plan(checkpoint, self._options, self._team.size) if leads else None
        return cast("Plan | None", self._team.share(plan))

    def _room(self, checkpoint: Checkpoint) -> int:
        try:
            compiling = self._runtime.estimate(checkpoint, self._options, self._team.size).compiling
        except Exception:
            log.warning("how much room compiling takes is not known", exc_info=True)
            return 0
        return 0 if compiling is None else compiling.disk_bytes

    def _good_enough(self, model: CompiledModel) -> CompiledModel:
        if self._team.rank == 0:
            quality_gate.check(model, self._options)
        return model

    def _check_format(self, model: CompiledModel) -> None:
        if model.runtime and model.runtime != self._runtime.name:
            source = self._options.source_of("runtime")
            raise UnsupportedModel(
                f"{model.origin} holds a model compiled for the runtime {model.runtime}, and this is "
                f"{self._runtime.name} (runtime={self._options.runtime}, {source}). Set runtime={model.runtime}, "
                "or give the Hugging Face checkpoint it was made from."
            )


def _described(options: Options, runtime: str) -> dict[str, tuple[str, str]]:
    """Return the options behind a build with their sources: which model it is, and what decides how it is built."""
    named = {name: getattr(options, name) for name in _NAMED if name in options.sources}
    values = {**named, **options.build_values(runtime)}
    return {name: (str(value), options.source_of(name)) for name, value in values.items()}
