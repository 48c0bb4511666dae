"""One service per process: it loads a model once, then answers steps. It joins the parts and knows no djl_python."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from djl_trtllm import ranks
from djl_trtllm.compile import cache, manifest
from djl_trtllm.compile.cache import CacheSettings
from djl_trtllm.compile.progress import LogProgress
from djl_trtllm.core import Checkpoint, CompiledModel, Progress, Request, Team
from djl_trtllm.engines import registry
from djl_trtllm.engines.base import Engine, Runtime
from djl_trtllm.engines.supervisor import Supervisor
from djl_trtllm.errors import ArtifactError
from djl_trtllm.model.locate import locate, tokenizer_directory
from djl_trtllm.options import explain, sources
from djl_trtllm.options.table import Options
from djl_trtllm.rolling_batch.admit import Admission, Arrival
from djl_trtllm.rolling_batch.inbox import QueueInbox
from djl_trtllm.rolling_batch.loop import RollingBatch, Step
from djl_trtllm.rolling_batch.slot import Replies
from djl_trtllm.rolling_batch.whole import Answer, answer
from djl_trtllm.schemas import lmi
from djl_trtllm.schemas.defaults import Defaults
from djl_trtllm.telemetry.requests import RequestLog
from djl_trtllm.text.tokenizer import Tokenizer

log = logging.getLogger(__name__)


class Service:
    """A loaded model and the loop around it. `options` is what it was loaded with."""

    def __init__(self, options: Options, tokenizer: Tokenizer, loop: RollingBatch, engine: Engine) -> None:
        self.options = options
        self.tokenizer = tokenizer
        self._loop = loop
        self._engine = engine

    @property
    def active(self) -> int:
        """Requests that DJL lists in its next step."""
        return self._loop.active

    @property
    def lost(self) -> bool:
        """True once the engine is gone for good and its clients were told: the worker can only be replaced."""
        return self._loop.over

    def step(self, step: Step) -> Replies:
        """Answer one step of the rolling batch."""
        return self._loop.step(step)

    def answer(self, arrivals: Sequence[Arrival]) -> list[Answer]:
        """Answer requests whole."""
        return answer(self._loop, arrivals)

    def reset(self) -> None:
        """Forget every request, after a step that could not be answered."""
        self._loop.reset()

    def limits_line(self) -> str:
        """The limits in force and what set each, for the log."""
        limits = self._engine.limits
        named = {
            "input": limits.max_input_len,
            "output": limits.max_output_len,
            "context": limits.max_sequence_len,
            "KV cache": limits.kv_cache_tokens,
        }
        parts = [f"{name} {limit.value} tokens ({limit.source})" for name, limit in named.items()]
        return ", ".join([*parts, f"batch {limits.max_batch_size.value} ({limits.max_batch_size.source})"])

    def close(self) -> None:
        """Void what runs and end the engine."""
        self._loop.close()
        self._engine.close()


def load(properties: Mapping[str, object], environ: Mapping[str, str], item_chars: int) -> Service:
    """Load the model that the options name: find it, compile it unless that was done before, open its engine.

    `item_chars` is what one item on DJL's wire can carry, in characters. Raises `LoadError`.
    """
    started = time.monotonic()
    options = sources.read(properties, environ)
    team = ranks.join(environ)
    runtime = registry.choose(options, team.size)
    for note in explain.notes(options, runtime.name):
        log.info("%s", note)
    with LogProgress("loading", log) as progress:
        artifact = _Artifact(runtime, options, team, environ, progress)
        try:
            service = _open(runtime, options, team, artifact.find(), environ, progress, item_chars)
        except ArtifactError as error:
            if not artifact.cached:
                raise
            log.warning("the cached model is damaged and is compiled again: %s", error)
            artifact.discard()
            service = _open(runtime, options, team, artifact.find(), environ, progress, item_chars)
    log.info("ready after %.1f s: %s", time.monotonic() - started, service.limits_line())
    return service


class _Artifact:
    """The compiled model: brought by the user, or found in the cache, or built into it."""

    def __init__(
        self,
        runtime: Runtime,
        options: Options,
        team: Team,
        environ: Mapping[str, str],
        progress: Progress,
    ) -> None:
        self._runtime = runtime
        self._options = options
        self._team = team
        self._environ = environ
        self._progress = progress
        self._settings = CacheSettings.of(options, environ)
        self._model: CompiledModel | None = None
        self.cached = False

    def find(self) -> CompiledModel:
        """Locate the model, and compile it where it is a checkpoint that was not compiled before."""
        found = locate(self._options, self._environ, self._progress)
        if isinstance(found, CompiledModel):
            log.info("serving the compiled model as it is: %s", found.origin)
            return found
        checkpoint: Checkpoint = found

        def build(out: Path, progress: Progress) -> None:
            self._runtime.build(checkpoint, self._options, self._team, out, progress)

        plan = self._runtime.plan(checkpoint, self._options, self._team.size)
        if plan is None:
            return CompiledModel(checkpoint.path, checkpoint.origin)
        self._model = cache.ensure(plan, self._team, build, self._settings, self._progress)
        self.cached = True
        return self._model

    def discard(self) -> None:
        """Remove a cached model that turned out to be damaged."""
        if self._model is not None:
            cache.discard(self._model, self._settings)


def _open(
    runtime: Runtime,
    options: Options,
    team: Team,
    model: CompiledModel,
    environ: Mapping[str, str],
    progress: Progress,
    item_chars: int,
) -> Service:
    has_manifest = (model.path / manifest.NAME).exists()
    if has_manifest:
        manifest.check(model.path)
    with ThreadPoolExecutor(1, "verify") as pool:
        verdict = pool.submit(manifest.verify, model.path) if has_manifest else None
        progress.stage("opening the engine")
        tokenizer = Tokenizer.load(tokenizer_directory(options, environ, progress) or model.path)
        inbox = QueueInbox()
        engine = Supervisor(lambda: runtime.engine(model, options, team))
        try:
            engine.open(inbox)
            loop = _loop(options, engine, inbox, tokenizer, item_chars)
        except BaseException:
            engine.close()
            raise
        finally:
            # A damaged file explains whatever the engine said of it, so its verdict comes first.
            if verdict is not None:
                verdict.result()
    return Service(options, tokenizer, loop, engine)


def _loop(
    options: Options, engine: Engine, inbox: QueueInbox, tokenizer: Tokenizer, item_chars: int
) -> RollingBatch:
    limits, features, defaults = engine.limits, engine.features, Defaults.of(options)

    def parse(body: bytes, content_type: str, seed: int | None) -> Request:
        return lmi.parse(body, content_type, defaults, limits, features, seed)

    admission = Admission(parse, tokenizer, limits, options.on_long_input)
    return RollingBatch(engine, inbox, admission, item_chars, RequestLog(options.log_requests != "off"))
