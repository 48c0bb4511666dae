"""One service per process: it loads a model once, then answers steps. It joins the parts and knows no djl_python."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence

from djl_trtllm import ranks
from djl_trtllm.compile import cache
from djl_trtllm.compile.progress import LogProgress
from djl_trtllm.core import Checkpoint, CompiledModel, Progress, Team
from djl_trtllm.engines import registry
from djl_trtllm.engines.base import Engine, Runtime
from djl_trtllm.engines.supervisor import Supervisor
from djl_trtllm.errors import LoadError
from djl_trtllm.model.locate import locate
from djl_trtllm.options import explain, sources
from djl_trtllm.options.table import Options
from djl_trtllm.rolling_batch.admit import Admission, Arrival
from djl_trtllm.rolling_batch.inbox import QueueInbox
from djl_trtllm.rolling_batch.loop import RollingBatch, Step
from djl_trtllm.rolling_batch.slot import Replies
from djl_trtllm.rolling_batch.whole import Answer, answer
from djl_trtllm.schemas import lmi
from djl_trtllm.telemetry.requests import RequestLog
from djl_trtllm.text.tokenizer import Tokenizer

log = logging.getLogger(__name__)


class Service:
    """A loaded model and the loop around it. `options` is what it was loaded with."""

    def __init__(
        self, options: Options, tokenizer: Tokenizer, loop: RollingBatch, engine: Engine, inbox: QueueInbox
    ) -> None:
        self.options = options
        self.tokenizer = tokenizer
        self._loop = loop
        self._engine = engine
        self._inbox = inbox

    @property
    def rolling(self) -> bool:
        """True when DJL drives a rolling batch; otherwise every call is answered whole."""
        return self.options.rolling_batch != "disable"

    @property
    def active(self) -> int:
        """Requests that DJL lists in its next step."""
        return self._loop.active

    @property
    def lost(self) -> bool:
        """True once the engine is gone for good: the worker can only be replaced."""
        return self._inbox.death is not None

    def step(self, step: Step) -> Replies:
        """Answer one step of the rolling batch."""
        return self._loop.step(step)

    def answer(self, arrivals: Sequence[Arrival]) -> list[Answer]:
        """Answer requests whole."""
        return answer(self._loop, arrivals)

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
    progress = LogProgress()
    model = _compiled(runtime, options, team, environ, progress)
    verdict = _Verification(model)
    tokenizer = Tokenizer.load(model.path)
    inbox = QueueInbox()
    engine = Supervisor(lambda: runtime.engine(model, options))
    engine.open(inbox)
    try:
        verdict.wait()
        loop = _loop(options, engine, inbox, tokenizer, item_chars)
    except BaseException:
        engine.close()
        raise
    log.info("ready after %.1f s: %s", time.monotonic() - started, _limits_line(engine))
    return Service(options, tokenizer, loop, engine, inbox)


def _compiled(
    runtime: Runtime, options: Options, team: Team, environ: Mapping[str, str], progress: Progress
) -> CompiledModel:
    found = locate(options, environ, progress)
    if isinstance(found, CompiledModel):
        log.info("serving the compiled model as it is: %s", found.origin)
        return found
    checkpoint: Checkpoint = found
    settings = cache.settings(options, environ)
    return cache.ensure(
        runtime.plan(checkpoint, options),
        team,
        lambda out, report: runtime.build(checkpoint, options, out, report),
        settings,
        progress,
    )


def _loop(
    options: Options, engine: Engine, inbox: QueueInbox, tokenizer: Tokenizer, item_chars: int
) -> RollingBatch:
    limits, features, defaults = engine.limits, engine.features, lmi.Defaults.of(options)

    def parse(body: bytes, content_type: str, seed: int | None) -> lmi.Request:
        return lmi.parse(body, content_type, defaults, limits, features, seed)

    admission = Admission(parse, tokenizer, limits, options.on_long_input)
    return RollingBatch(engine, inbox, admission, item_chars, RequestLog(options.log_requests != "off"))


def _limits_line(engine: Engine) -> str:
    limits = engine.limits
    named = {
        "input": limits.max_input_len,
        "output": limits.max_output_len,
        "context": limits.max_sequence_len,
        "KV cache": limits.kv_cache_tokens,
    }
    parts = [f"{name} {limit.value} tokens ({limit.source})" for name, limit in named.items()]
    return ", ".join([*parts, f"batch {limits.max_batch_size.value} ({limits.max_batch_size.source})"])


class _Verification:
    """Digests of big files, checked while the engine loads."""

    def __init__(self, model: CompiledModel) -> None:
        self._error: LoadError | None = None
        self._thread = threading.Thread(target=self._run, args=(model,), name="verify", daemon=True)
        self._thread.start()

    def _run(self, model: CompiledModel) -> None:
        try:
            cache.verify(model.path)
        except LoadError as error:
            self._error = error

    def wait(self) -> None:
        """Wait for the verdict and raise it if it is bad."""
        self._thread.join()
        if self._error is not None:
            raise self._error
