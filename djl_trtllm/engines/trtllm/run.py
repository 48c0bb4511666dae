"""The `Engine` over a batch manager of TensorRT-LLM: what is the same for every release."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence as Items
from typing import TYPE_CHECKING, Any

from djl_trtllm.core import (
    CompiledModel,
    EngineRequest,
    EngineStats,
    Features,
    Guide,
    Inbox,
    Limits,
    Team,
    TokenChunk,
)
from djl_trtllm.engines.admission import unenforced
from djl_trtllm.engines.base import Engine, EngineClosedError
from djl_trtllm.engines.end_ids import end_ids
from djl_trtllm.engines.guides import GuideChecker
from djl_trtllm.engines.trtllm.admission import refusal
from djl_trtllm.engines.trtllm.flight import Flight, broke
from djl_trtllm.engines.trtllm.guided import effective
from djl_trtllm.engines.trtllm.load_errors import one_line
from djl_trtllm.engines.trtllm.manager import Manager, Opened
from djl_trtllm.engines.trtllm.sequences import Ends, Sequence
from djl_trtllm.engines.trtllm.versions import installed
from djl_trtllm.errors import InternalError, LoadError

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

logger = logging.getLogger(__name__)


def engine(model: CompiledModel, options: Options, team: Team, *, again: bool = False) -> Engine:
    """Make the engine of the installed release, not yet open. `again`: one was opened before in this process."""
    release = installed()
    if release is not None and (release.major, release.minor) < (0, 9):
        return GptManagerEngine(model, options, team, again=again)
    return ExecutorEngine(model, options, team, again=again)


class BatchEngine:
    """An `Engine` on rank 0 over a `Manager`, which starts the `guides`. Opened once."""

    def __init__(self, origin: str, manager: Manager, guides: GuideChecker) -> None:
        self._origin = origin
        self._guides = guides
        self._manager = manager
        self._flight = Flight()
        self._opened: Opened | None = None

    @property
    def limits(self) -> Limits:
        """What it can take; known once open."""
        return self._open().limits

    @property
    def features(self) -> Features:
        """What it can do; those of any engine before it is open."""
        return Features() if self._opened is None else self._opened.features

    def open(self, inbox: Inbox) -> None:
        """Open on all ranks, and wait until a first request has run. Raises `LoadError`."""
        flight, began = self._flight, time.monotonic()
        flight.begin(inbox)
        try:
            self._opened = self._manager.open(flight)
        except BaseException:
            flight.close()
            self._guides.close()
            self._manager.close()
            raise
        if not flight.serve():
            self._guides.close()
            self._manager.close()
            raise LoadError("The engine was closed or broke while it was being opened.")
        limits, features = self._opened.limits, self._opened.features
        logger.info(
            "TensorRT-LLM %s runs %s: ready in %.1f s, KV cache %d tokens (%s)%s.",
            installed(),
            self._origin,
            time.monotonic() - began,
            limits.kv_cache_tokens.value,
            limits.kv_cache_tokens.source,
            f", {features.beam_width} beams" if features.beam_width > 1 else "",
        )

    def check(self, guide: Guide) -> None:
        """Refuse what cannot be enforced: in the library's step it would fail all that runs."""
        error = unenforced(guide, self.features)
        if error is not None:
            raise error
        self._guides.check(guide)

    def submit(self, requests: Items[EngineRequest]) -> None:
        """Check the requests and hand over those that can run, all at once."""
        opened, flight = self._open(), self._flight
        chunks: list[TokenChunk] = []
        sequences: list[Sequence] = []
        prepared: list[Any] = []
        for request in map(effective, requests):
            error = refusal(request, opened.limits, opened.features, bounded_output=True)
            if error is not None:
                chunks.append(TokenChunk(request.id, error=error))
                continue
            try:
                prepared.append(self._manager.prepare(request))
            except Exception as failure:
                logger.error("Request %d could not be made for the engine: %s", request.id, one_line(failure))
                defect = InternalError("The request could not be handed to the engine.")
                chunks.append(TokenChunk(request.id, error=defect))
                continue
            sequences.append(Sequence.of(request, opened.ends))
        with flight.lock:
            inbox = flight.inbox
            flight.check_new([request.id for request in requests])
            if flight.broken:
                chunks += [sequence.failed(broke()) for sequence in sequences]
            elif sequences:
                chunks += self._manager.enqueue(sequences, prepared)
            if chunks:
                inbox.put(chunks)

    def cancel(self, ids: Items[int]) -> None:
        """End sequences for their clients now; the library frees their memory within a step or two."""
        with self._flight.lock:
            _ = self._flight.inbox
            handles = self._flight.cancel(ids)
            if handles:
                self._manager.cancel(handles)

    def stats(self) -> EngineStats:
        """Return the load as the library last told it; nothing runs when nothing is in flight."""
        with self._flight.lock:
            _ = self._flight.inbox
            live = len(self._flight.live)
        load = self._manager.load()
        running = min(load.running, live)
        return EngineStats(
            running,
            live - running,
            load.kv_used_percent if live else 0.0,
            load.kv_blocks,
            load.prefix_queries,
            load.prefix_hits,
        )

    @property
    def progress(self) -> float:
        """When the library last gave an answer, or told of a step that computed something."""
        return self._flight.heard

    def halt(self) -> None:
        """Take the batch manager for broken: the other ranks are needed again, and are not dismissed by its close."""
        self._flight.broken = True

    def close(self) -> None:
        """End everything in flight as cancelled, then the batch manager."""
        if not self._flight.close():
            return
        self._guides.close()
        if self._opened is not None:
            self._manager.close()

    def _open(self) -> Opened:
        if self._opened is None:
            raise EngineClosedError("The engine is not open.")
        return self._opened


class ExecutorEngine(BatchEngine):
    """An engine over `bindings.executor.Executor`: 0.9 to 1.2."""

    def __init__(self, model: CompiledModel, options: Options, team: Team, *, again: bool = False) -> None:
        from djl_trtllm.engines.trtllm.executor import ExecutorManager

        guides = checker(options)
        manager = ExecutorManager(model, options, team, ends_of(model), guides, again=again)
        super().__init__(model.origin, manager, guides)


class GptManagerEngine(BatchEngine):
    """An engine over `bindings.GptManager`: 0.8."""

    def __init__(self, model: CompiledModel, options: Options, team: Team, *, again: bool = False) -> None:
        from djl_trtllm.engines.trtllm.gpt_manager import GptManagerManager

        manager = GptManagerManager(model, options, team, ends_of(model), again=again)
        super().__init__(model.origin, manager, checker(options))


def checker(options: Options) -> GuideChecker:
    """Make what checks guides, within the limits that options set."""
    return GuideChecker(options.guide_max_bytes.bytes, options.guide_timeout)


def ends_of(model: CompiledModel) -> Ends:
    """Return the end tokens of a model; answers end at their length only where no file names one."""
    ends = Ends(end_ids(model))
    if not ends.ids:
        logger.warning("No file names an end token of %s: answers end at max_new_tokens only.", model.origin)
    return ends
