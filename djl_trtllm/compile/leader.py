"""Rank 0's way to a compiled model: a hit, or a lock, a private directory, a build and an artifact.

Rank 0 alone looks up, locks and publishes, and tells the team; every rank builds its part into the private directory.
"""

from __future__ import annotations

import errno
import logging
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from djl_trtllm.compile import (
    damaged,
    disk,
    eviction,
    in_use,
    manifest,
    part,
    reasons,
    second_tier,
    temporary,
)
from djl_trtllm.compile.manifest import Manifest
from djl_trtllm.compile.plan import content, key
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.compile.stages import StageTimes
from djl_trtllm.compile.store import Stamp, Store
from djl_trtllm.compile.tier import Tier
from djl_trtllm.core import CompiledModel, Progress, Team
from djl_trtllm.errors import CompileError, LoadError

_LOOK_EVERY = 0.2
_SAY_EVERY = 25.0
_NOT_HERE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ENOSPC, errno.EDQUOT)
_logger = logging.getLogger(__name__)


class Leader:
    """Rank 0's part of one `ensure`."""

    def __init__(
        self, recipe: Recipe, team: Team, settings: CacheSettings, progress: Progress, tier: Tier | None
    ) -> None:
        self._recipe = recipe
        self._team = team
        self._settings = settings
        self._progress = progress
        self._tier = tier
        self._name = key(recipe.plan)
        self._store = Store(settings.root)
        self._kept = settings.mode != "off"
        self._built = False
        self._why = "option.cache=off"

    def run(self, held: ExitStack) -> CompiledModel:
        """Find the model or have the team build it. The lock is held until `held` closes."""
        decision = self._decide(held)
        self._team.share(decision)
        if isinstance(decision, CompiledModel):
            return decision
        times = StageTimes(self._progress)
        started = round(time.time())
        part.build(self._team, self._recipe.build, decision, times)
        quality = self._assess(decision, times)
        done = self._publish(decision, {"started": started}, times, quality)
        self._team.share(done)
        return done

    def tidy(self) -> None:
        """Remove what is of no use or too much, and store what was built in the second tier."""
        if not self._kept:
            return
        self._store.sweep()
        if self._settings.max_size is not None:
            eviction.shrink(self._store, self._settings.max_size, keep=(self._name,))
        if self._built and self._tier is not None:
            second_tier.push(self._tier, self._name, self._store.artifact(self._name))

    def _decide(self, held: ExitStack) -> CompiledModel | Path:
        """Return a hit, or a private directory with the key's lock held until `held` closes."""
        if not self._kept:
            return self._private_elsewhere(held)
        self._store.trusted(self._name)
        before = self._store.stamp(self._name)
        if self._settings.mode == "use" and (found := self._found()):
            return self._hit(found)
        self._why = self._why_not()
        try:
            return self._found_or_private(before, held)
        except disk.NoRoom as refusal:
            return self._instead(refusal, held)
        except OSError as error:
            problem = disk.problem(error, self._settings.root)
            if error.errno not in _NOT_HERE:
                raise problem from error
            return self._instead(problem, held, lacks_room=disk.full(error))

    def _found_or_private(self, before: Stamp | None, held: ExitStack) -> CompiledModel | Path:
        self._store.prepare()
        self._store.trusted(self._name)
        self._take_lock(held)
        # Whoever held the lock may have published meanwhile, also for a rebuild that was asked for by both.
        use, rebuild = (self._settings.mode == mode for mode in ("use", "rebuild"))
        anew = before != self._store.stamp(self._name)
        if (use or (rebuild and anew)) and (found := self._found()):
            return self._hit(found)
        self._store.sweep(self._name)
        if use and (fetched := self._fetched()):
            return self._hit(fetched)
        private = self._private(held)
        _logger.info("cache miss: %s; compiling %s into %s", self._why, self._name[:12], self._store.root)
        return private

    def _instead(self, problem: CompileError, held: ExitStack, lacks_room: bool = True) -> Path:
        """Go on in a temporary directory, or raise what is wrong with the cache where that is no better."""
        temporary_root = Path(tempfile.gettempdir())
        if lacks_room and not disk.other_disk(temporary_root, self._settings.root):
            raise problem
        self._kept = False
        try:
            private = self._private_elsewhere(held)
        except LoadError:
            raise problem from None
        _logger.warning(
            "%s The model is compiled into %s for now, and again at every start.", problem, self._store.root
        )
        return private

    def _private_elsewhere(self, held: ExitStack) -> Path:
        try:
            self._store = temporary.store()
            self._store.prepare()
            return self._private(held)
        except OSError as error:
            raise disk.problem(error, Path(tempfile.gettempdir(), disk.UNCACHED)) from error

    def _private(self, held: ExitStack) -> Path:
        if self._recipe.room is not None:
            model = self._recipe.options.get("model_id", (self._recipe.plan.model_type, ""))[0]
            disk.check_room(self._recipe.room(), self._store.root, model)
        private = self._store.private(self._name)
        held.callback(shutil.rmtree, private, ignore_errors=True)
        return private

    def _found(self) -> Manifest | None:
        """Return the manifest of the artifact if it is there, which is in use from then on."""
        path = self._store.artifact(self._name)
        if not path.is_dir():
            return None
        self._hold()
        if damaged.is_known(path, self._store.stamp(self._name)):
            return None
        return self._store.find(self._name)

    def _hold(self) -> None:
        # Held before anybody looks: what is found cannot be removed any more.
        path = self._store.artifact(self._name)
        if self._kept:
            in_use.hold(path, self._store.use(self._name))

    def _fetched(self) -> Manifest | None:
        if self._tier is None:
            return None
        self._hold()
        return second_tier.fetch(self._tier, self._name, self._recipe.plan, self._store, self._progress)

    def _take_lock(self, held: ExitStack) -> None:
        lock = self._store.lock(self._name)
        held.callback(lock.release)
        said = -_SAY_EVERY
        while not lock.acquire():
            self._team.check()
            if time.monotonic() - said >= _SAY_EVERY:
                said = time.monotonic()
                _logger.info(
                    "waiting for %s, which is compiling the same model (%s)",
                    self._store.builder(self._name),
                    self._name[:12],
                )
                self._progress.stage("waiting for another process that compiles the same model")
            time.sleep(_LOOK_EVERY)

    def _assess(self, private: Path, times: StageTimes) -> Mapping[str, object] | None:
        assess = self._recipe.assess
        return None if assess is None else part.told(lambda: assess(private, times), private, "Measuring")

    def _publish(
        self,
        private: Path,
        build: dict[str, object],
        times: StageTimes,
        quality: Mapping[str, object] | None,
    ) -> CompiledModel:
        times.stage("writing the manifest")
        plan = self._recipe.plan
        try:
            files = manifest.survey(private)
            if not files:
                raise CompileError("The build has made no files.")
            build.update(seconds=times.elapsed(), stages=times.seconds())
            done = Manifest(self._name, content(plan), files, build, self._recipe.options, quality)
            self._hold()
            path = self._store.publish(private, done)
        except OSError as error:
            raise disk.problem(error, self._store.root) from error
        self._built = True
        seconds = times.elapsed()
        _logger.info("compiled %s in %.0f s, %s", self._name[:12], seconds, disk.size(done.total_bytes()))
        why = f"{self._why}; compiled in {seconds:.0f} s"
        return CompiledModel(path=path, origin=self._origin(), why=why)

    def _hit(self, found: Manifest) -> CompiledModel:
        why = reasons.why_hit(found)
        _logger.info("cache hit: %s, %s", self._origin(), why)
        path = self._store.artifact(self._name)
        return CompiledModel(path=path, origin=self._origin(), hit=True, why=why)

    def _origin(self) -> str:
        return f"{self._recipe.plan.model_type} {self._name[:12]}"

    def _why_not(self) -> str:
        if self._settings.mode != "use":
            return f"option.cache={self._settings.mode}"
        if self._store.artifact(self._name) in damaged.found:
            return "what was compiled from the same inputs was found damaged"
        if problem := self._store.problem(self._name):
            return f"what was compiled from the same inputs cannot be used: {problem}"
        model_id = self._recipe.options.get("model_id", ("", ""))[0]
        nearest = reasons.nearest(content(self._recipe.plan), model_id, self._store.manifests())
        return reasons.why_miss(nearest)
