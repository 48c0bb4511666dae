"""Loading: options, team, model, engine. Every rank does it at the same time; all succeed, or all fail."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count

from djl_trtllm.compile import manifest
from djl_trtllm.compile.progress import Allowed, LogProgress
from djl_trtllm.core import Checkpoint, CompiledModel, Progress
from djl_trtllm.engines import tokenizers
from djl_trtllm.engines.base import Engine, Runtime
from djl_trtllm.engines.estimate import Estimate
from djl_trtllm.engines.supervisor import Supervisor
from djl_trtllm.errors import ArtifactError, LoadError, RankError
from djl_trtllm.formats import custom
from djl_trtllm.formats.custom import CustomFormatter
from djl_trtllm.options import explain, sources
from djl_trtllm.options.secrets import clean
from djl_trtllm.options.table import Options
from djl_trtllm.ranks import ending
from djl_trtllm.ranks.mpi_team import MpiTeam
from djl_trtllm.ranks.replies import Given
from djl_trtllm.ranks.solo import Solo
from djl_trtllm.rolling_batch.inbox import QueueInbox
from djl_trtllm.rolling_batch.loop import RollingBatch
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.service import joining, start
from djl_trtllm.service.artifact import Artifact
from djl_trtllm.service.assembly import assemble, formatter_of
from djl_trtllm.service.budget import Budget
from djl_trtllm.service.following import Following
from djl_trtllm.service.report import Block
from djl_trtllm.service.served import Service
from djl_trtllm.telemetry import logs, spans, tracing
from djl_trtllm.telemetry.metrics import Metrics
from djl_trtllm.telemetry.tracing import Tracing
from djl_trtllm.text.tokenizer import Tokenizer

log = logging.getLogger(__name__)

_WHOLE = (
    "The compiled model is whole, and yet it was not opened. If memory was short, lower max_rolling_batch_size or "
    "max_input_len, or use quantize."
)
BROUGHT = "config.pbtxt"
"""The file in which a model brings option values of its own."""


def load(
    properties: Mapping[str, object], environ: Mapping[str, str], item_chars: int
) -> Service | Following:
    """Load the model that the options name: find it, compile it unless that was done before, open its engine.

    Returns a `Following` on ranks other than 0. `item_chars` is what one item on DJL's wire can carry, in characters.
    Raises `LoadError`; where there are several ranks, once any of them has failed or option.rank_timeout is over.
    """
    started = time.monotonic()
    if "output_formatter" in properties:  # DJL 0.29 and later put the function itself there
        properties = {**properties, "output_formatter": custom.spec_of(properties["output_formatter"])}
    joined = joining.join(properties, environ)
    options, runtime, team = joined.options, joined.runtime, joined.team
    loading = _Loading(properties, environ, item_chars, options, runtime, team, started)
    try:
        service = ending.attend(team, loading.run)
    except BaseException as error:
        loading.traced(error)
        raise
    loading.traced(None)
    if isinstance(service, Service):
        loading.report(service)
    else:
        log.info("rank %d is ready after %.1f s", team.rank, time.monotonic() - started)
    return service


class _Loading:
    """One load on one rank, and what its steps have in common."""

    def __init__(
        self,
        properties: Mapping[str, object],
        environ: Mapping[str, str],
        item_chars: int,
        options: Options,
        runtime: Runtime,
        team: Solo | MpiTeam,
        started: float,
    ) -> None:
        self._properties = properties
        self._environ = environ
        self._item_chars = item_chars
        self._options = options
        self._runtime = runtime
        self._team = team
        self._leads = team.rank == 0
        self._formatter: CustomFormatter | None = None
        self._started = started
        self._budget = Budget(options, team.size, started)
        self._source: CompiledModel | Checkpoint | None = None
        self._model: CompiledModel | None = None
        self._expected: Estimate | None = None
        self._noted = False
        name = logs.hide(clean(Defaults.of(options).model))
        self._metrics = Metrics(name)
        self._tracing = tracing.of(options, name) if self._leads else Tracing()

    def run(self) -> Service | Following:
        """Go through the whole load."""
        try:
            return self._run()
        except LoadError:
            self._metrics.close()
            self._say_notes()  # which would stand in the report, and may be the reason
            raise
        except BaseException:
            self._metrics.close()
            raise

    def _run(self) -> Service | Following:
        if self._leads:
            self._formatter = formatter_of(self._options)
            self._metrics.listen(self._options)
            self._tracing.open()
        budget = self._budget
        allowed = Allowed(budget.seconds, f"option.{budget.name}", budget.advice) if self._leads else None
        with LogProgress("loading", log, allowed=allowed) as beating:
            progress = self._tracing.follow(beating)
            joining.compare(self._options, self._team)
            artifact = Artifact(
                self._runtime, self._options, self._team, self._environ, progress, self._before_build
            )
            model = artifact.find()
            self._metrics.sources.start = start.told(model, artifact.cached)
            self._source = artifact.source
            self._take_brought_options(model)
            try:
                return self._open(model, artifact.listed, progress)
            except ArtifactError as error:
                if not artifact.cached:
                    raise
                artifact.discard()
                if self._team.size > 1:  # the others are in their engines, and cannot all be called back
                    again = "It is removed from the cache: the next start compiles the model again."
                    raise ArtifactError(*error.problems, again) from error
                log.warning("the cached model is damaged and is compiled again: %s", error)
                model = artifact.find()
                self._metrics.sources.start = start.told(model, artifact.cached)
                return self._open(model, artifact.listed, progress)

    def _take_brought_options(self, model: CompiledModel) -> None:
        if model.options:
            brought = (BROUGHT, model.options)
            self._options = sources.read(self._properties, self._environ, lowest=brought)
        if not self._leads:
            return
        if self._runtime.name.startswith("trtllm") and not self._retries():
            log.warning(
                "retry_threshold is not set: DJL-Serving 0.30 and later takes the endpoint down for good when its "
                "worker has died once. Set option.retry_threshold=10 to have it restarted."
            )

    def _before_build(self, source: Checkpoint) -> None:
        """Say what compiling is expected to take, what it will not get, and what is odd about the options."""
        if not self._leads:
            return
        expected = start.estimate(self._runtime, source, self._options, self._team.size)
        if expected is not None:
            line, warnings = self._budget.lines(source.origin, expected)
            if line is not None:
                log.info("%s", line)
            for warning in warnings:
                log.warning("%s", warning)
        self._say_notes()

    def _say_notes(self) -> None:
        """Log what is odd about the options, once, where the report comes late or never."""
        if self._leads and not self._noted:
            self._noted = True
            for note in explain.notes(self._options, self._runtime.name):
                log.info("%s", note)

    def traced(self, error: BaseException | None) -> None:
        """Tell the trace that the load has ended."""
        facts: dict[str, spans.Value] = {
            "djl_trtllm.runtime": self._runtime.name,
            "djl_trtllm.ranks": self._team.size,
        }
        if self._model is not None and isinstance(self._source, Checkpoint):
            facts["djl_trtllm.cache"] = "hit" if self._model.hit else "miss"
        self._tracing.loaded(error, facts)

    def report(self, service: Service) -> None:
        """Log the start-up report, on rank 0 once it serves."""
        model, source = self._model, self._source
        if model is None or source is None:
            return
        seconds = time.monotonic() - self._started
        try:
            told = start.report(
                self._runtime,
                self._options,
                self._team.size,
                source,
                model,
                self._expected,
                service.limits,
                explain.notes(self._options, self._runtime.name),
                seconds,
            )
            block = Block(told)
        except Exception as error:  # a model that is loaded is served, whatever can be said of it
            log.info("ready after %.1f s; there is no report: %s", seconds, logs.describe(error))
            return
        log.info(block)

    def _retries(self) -> bool:
        named = ("retry_threshold", "option.retry_threshold")
        return any(name in self._properties for name in named) or "SERVING_RETRY_THRESHOLD" in self._environ

    def _open(self, model: CompiledModel, listed: bool, progress: Progress) -> Service | Following:
        if self._leads:
            self._runtime.check(model, self._options, self._team.size)
            model = tokenizers.ensure(model, self._options, self._environ, progress)
        # Rank 0 first: where it finds the artifact damaged it removes it. No rank touches the engine's libraries
        # before all have found their files right.
        self._team.agree()
        if not self._leads:
            self._runtime.check(model, self._options, self._team.size)
        self._team.agree()
        if isinstance(self._team, MpiTeam) and not self._leads:
            return self._follow(model, self._team, progress)
        return self._lead(model, listed, progress)

    def _follow(self, model: CompiledModel, team: MpiTeam, progress: Progress) -> Following:
        follower = self._runtime.follower(model, self._options, team)
        progress.stage("opening the engine")
        follower.open()
        team.agree()
        return Following(self._options, team, follower)

    def _lead(self, model: CompiledModel, listed: bool, progress: Progress) -> Service:
        options, team = self._options, self._team
        source = self._source if isinstance(self._source, Checkpoint) else model
        self._model, self._expected = model, start.estimate(self._runtime, source, options, team.size)
        listed = listed and (model.path / manifest.NAME).exists()
        if listed:
            manifest.check(model.path)
        with ThreadPoolExecutor(1, "verify") as pool:
            verdict = pool.submit(manifest.verify, model.path) if listed else None
            progress.stage("opening the engine")
            tokenizer = Tokenizer.load(model.text_path)
            inbox = QueueInbox()
            engine = Supervisor(self._maker(model), opening=options.model_loading_timeout)
            try:
                try:
                    engine.open(inbox)
                    loop = assemble(
                        options,
                        engine,
                        inbox,
                        tokenizer,
                        self._item_chars,
                        self._formatter,
                        engine,
                        self._metrics.sources.meter,
                        self._tracing,
                    )
                except ArtifactError as refused:
                    if verdict is None:
                        raise
                    verdict.result()
                    # Compiled from the same inputs it would be the same, and memory may only be short now.
                    raise LoadError(_WHOLE, *refused.problems) from refused  # the library's words may be many
                finally:
                    # A damaged file explains whatever the engine said of it, so its verdict comes first.
                    if verdict is not None:
                        progress.stage("verifying the files")
                        verdict.result()
            except BaseException:
                engine.close()
                raise
        try:
            team.agree()
        except RankError as error:
            engine.abandon(error)
            raise
        given = None
        if isinstance(team, MpiTeam):
            team.on_failure(engine.abandon)
            given = Given(team)
        self._tell_of(engine, loop)
        return Service(options, tokenizer, loop, engine, given, self._metrics, self._tracing)

    def _tell_of(self, engine: Supervisor, loop: RollingBatch) -> None:
        """Let the metrics tell of what is served now."""
        sources = self._metrics.sources
        sources.engine, sources.preparing = engine, lambda: loop.preparing
        sources.start.load_seconds = time.monotonic() - self._started

    def _maker(self, model: CompiledModel) -> Callable[[], Engine]:
        """Return what makes engines. The first is part of the load; every later one has as much time of its own."""
        runtime, options, team = self._runtime, self._options, self._team
        made = count()

        def make() -> Engine:
            if next(made):
                team.within(options.rank_timeout)
            return runtime.engine(model, options, team)

        return make
