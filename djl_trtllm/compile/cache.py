"""Compile once: find the artifact of a plan, or have it built exactly once over threads, processes and containers.

Rank 0 alone looks up, locks and publishes, and tells the team; every rank builds its part into one private
directory. Whatever fails or is killed on the way, nothing half-made is ever found by a later look-up.
"""

from __future__ import annotations

import atexit
import logging
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from djl_trtllm.compile import disk, manifest
from djl_trtllm.compile.lock import Lock
from djl_trtllm.compile.manifest import Manifest
from djl_trtllm.compile.plan import content, key
from djl_trtllm.compile.recipe import Build, Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.compile.store import Store
from djl_trtllm.core import CompiledModel, Plan, Progress, Team
from djl_trtllm.errors import CompileError, LoadError

_LOOK_EVERY = 0.2
_SAY_EVERY = 25.0
_UNCACHED = "djl_trtllm-uncached-"
_MOMENT = 60.0
_alive: list[Lock] = []
_logger = logging.getLogger(__name__)


def ensure(recipe: Recipe, team: Team, settings: CacheSettings, progress: Progress) -> CompiledModel:
    """Return the compiled model of a recipe's plan, building it if it is not there.

    Raises whatever `LoadError` the recipe raised, `CompileError` for the disk's failures, `RankError` when another
    rank failed.
    """
    if team.rank == 0:
        with ExitStack() as held:
            try:
                return _lead(recipe, team, settings, progress, held)
            except LoadError as error:
                # Before the directory and the lock go: the others must hear of it first.
                team.agree(error)
                raise
    decision = team.share(None)
    if isinstance(decision, Path):
        _build_part(team, recipe.build, decision, progress)
        decision = team.share(None)
    if isinstance(decision, CompiledModel):
        return decision
    raise CompileError("Rank 0 has sent no decision.")


def discard(model: CompiledModel, settings: CacheSettings) -> None:
    """Remove an artifact that turned out to be damaged; a model that is not from the cache is left alone."""
    if model.path.parent == Store(settings.root).artifacts:
        try:
            Store(settings.root).discard(model.path.name)
        except OSError as error:
            raise disk.problem(error, settings.root) from error


def _lead(
    recipe: Recipe, team: Team, settings: CacheSettings, progress: Progress, held: ExitStack
) -> CompiledModel:
    plan, started = recipe.plan, time.time()
    try:
        store = _temporary_store() if settings.mode == "off" else Store(settings.root)
        decision = _decide(plan, store, settings.mode, team, progress, held)
    except OSError as error:
        raise disk.problem(error, Path(tempfile.gettempdir())) from error
    team.share(decision)
    if isinstance(decision, CompiledModel):
        return decision
    _build_part(team, recipe.build, decision, progress)
    quality = _assess(recipe, decision, progress)
    outcome = _publish(recipe, store, decision, started, quality, progress)
    team.share(outcome)
    return outcome


def _decide(
    plan: Plan, store: Store, mode: str, team: Team, progress: Progress, held: ExitStack
) -> CompiledModel | Path:
    """Return a hit, or a private directory with the key's lock held until `held` closes."""
    name = key(plan)
    before = store.stamp(name)
    if mode == "use" and (found := store.find(name)):
        store.sweep()
        return _hit(plan, store, found)
    why = _why_not(plan, store, mode)
    try:
        store.prepare()
        _take_lock(store, name, team, progress, held)
        # Whoever held the lock may have published meanwhile, also for a rebuild that was asked for by both.
        if (mode == "use" or (before != store.stamp(name) and mode == "rebuild")) and (
            found := store.find(name)
        ):
            return _hit(plan, store, found)
        store.sweep(name)
        private = store.private(name)
    except OSError as error:
        raise disk.problem(error, store.root) from error
    held.callback(shutil.rmtree, private, ignore_errors=True)
    _logger.info("cache miss: %s; compiling %s into %s", why, name[:12], store.root)
    return private


def _take_lock(store: Store, name: str, team: Team, progress: Progress, held: ExitStack) -> None:
    lock = store.lock(name)
    held.callback(lock.release)
    said = -_SAY_EVERY
    while not lock.acquire():
        team.check()
        if time.monotonic() - said >= _SAY_EVERY:
            said = time.monotonic()
            _logger.info(
                "waiting for %s, which is compiling the same model (%s)", store.builder(name), name[:12]
            )
            progress.stage("waiting for another process that compiles the same model")
        time.sleep(_LOOK_EVERY)


def _build_part(team: Team, build: Build, private: Path, progress: Progress) -> None:
    """Build, then agree, whatever happened: a rank that raised alone would leave the others waiting."""
    error: LoadError | None = None
    try:
        build(private, progress)
    except LoadError as failure:
        error = failure
    except OSError as failure:
        error = disk.problem(failure, private)
        error.__cause__ = failure
    except Exception as failure:
        error = CompileError(f"Compiling failed with {type(failure).__name__}: {failure}")
        error.__cause__ = failure
    team.agree(error)


def _assess(recipe: Recipe, private: Path, progress: Progress) -> Mapping[str, object] | None:
    if recipe.assess is None:
        return None
    try:
        return recipe.assess(private, progress)
    except (LoadError, OSError):
        raise
    except Exception as failure:
        raise CompileError(
            f"Measuring the compiled model failed with {type(failure).__name__}: {failure}"
        ) from failure


def _publish(
    recipe: Recipe,
    store: Store,
    private: Path,
    started: float,
    quality: Mapping[str, object] | None,
    progress: Progress,
) -> CompiledModel:
    plan = recipe.plan
    progress.stage("writing the manifest")
    name = key(plan)
    try:
        files = manifest.survey(private)
        if not files:
            raise CompileError("The build has made no files.")
        seconds = round(time.time() - started, 1)
        build = {"started": round(started), "seconds": seconds}
        done = Manifest(name, content(plan), files, build, recipe.options, quality)
        path = store.publish(private, done)
    except OSError as error:
        raise disk.problem(error, store.root) from error
    _logger.info("compiled %s in %.0f s, %s", name[:12], seconds, disk.size(done.total_bytes()))
    return CompiledModel(
        path=path, origin=f"{plan.model_type} {name[:12]}", why=f"compiled in {seconds:.0f} s"
    )


def _hit(plan: Plan, store: Store, found: Manifest) -> CompiledModel:
    seconds, started = found.build.get("seconds"), found.build.get("started")
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(started)) if isinstance(started, int) else "before"
    why = f"compiled {when} in {seconds} s from the same files, options and versions"
    _logger.info("cache hit: %s %s, %s", plan.model_type, found.key[:12], why)
    return CompiledModel(
        path=store.artifact(found.key), origin=f"{plan.model_type} {found.key[:12]}", hit=True, why=why
    )


def _why_not(plan: Plan, store: Store, mode: str) -> str:
    if mode != "use":
        return f"option.cache={mode}"
    changes = store.nearest(content(plan))
    if changes is None:
        return "this model has not been compiled here before"
    if not changes:
        return "what was compiled from the same inputs is damaged or incomplete"
    more = f", and {len(changes) - 3} more" if len(changes) > 3 else ""
    return f"{'; '.join(changes[:3])}{more}"


def _temporary_store() -> Store:
    """Make a store that lives as long as this process, and remove those of processes that were killed."""
    for old in Path(tempfile.gettempdir()).glob(f"{_UNCACHED}*"):
        with suppress(OSError):
            alive = Lock(old / "alive")
            # One made a moment ago may not have its lock yet.
            if time.time() - old.stat().st_mtime > _MOMENT and alive.acquire():
                shutil.rmtree(old, ignore_errors=True)
                alive.release()
    root = Path(tempfile.mkdtemp(prefix=_UNCACHED))
    atexit.register(shutil.rmtree, root, ignore_errors=True)
    lock = Lock(root / "alive")
    lock.acquire()
    _alive.append(lock)
    return Store(root)
