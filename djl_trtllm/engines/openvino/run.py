"""The `Engine` over OpenVINO GenAI: this process checks, sends and tells; a child process computes.

`ContinuousBatchingPipeline.step()` holds the GIL for the whole step (12 s seen in a prefill), so in this
process it would stop parsing, tokenising and answering; and a pipeline that breaks costs a child, not the worker.
"""

from __future__ import annotations

import logging
import math
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.core import (
    CompiledModel,
    EngineRequest,
    EngineStats,
    Features,
    FinishReason,
    Guide,
    GuideKind,
    Inbox,
    Limits,
    TokenChunk,
)
from djl_trtllm.engines.admission import refusal, unenforced
from djl_trtllm.engines.base import EngineClosedError
from djl_trtllm.engines.openvino import messages as m
from djl_trtllm.engines.openvino.guides import messages as g
from djl_trtllm.engines.openvino.guides.checks import MEMORY, GuideChecks
from djl_trtllm.engines.openvino.guides.files import PROBE
from djl_trtllm.engines.openvino.guides.process import GuideProcess
from djl_trtllm.engines.openvino.model import read_facts
from djl_trtllm.engines.openvino.process import GRACE, ChildProcess
from djl_trtllm.engines.openvino.sampling import sequenced
from djl_trtllm.engines.openvino.settings import BLOCK, available_memory, settings
from djl_trtllm.errors import (
    ArtifactError,
    DjlTrtllmError,
    EngineRestarting,
    GenerationFailed,
    InternalError,
    LoadError,
    OutOfMemory,
)
from djl_trtllm.telemetry.logs import describe

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

logger = logging.getLogger(__name__)

_FINISH = {m.STOPPED: FinishReason.EOS, m.LENGTH: FinishReason.LENGTH}
_NO_LOGPROB = -9999.0
"""Stands for a log-probability that is not a finite number; JSON has no infinity."""


class OpenVINOEngine:
    """One pipeline in one child process. Made by the runtime; opened once."""

    def __init__(self, model: CompiledModel, options: Options) -> None:
        self._model = model
        self._options = options
        self._limits: Limits | None = None
        self._features = Features(logprobs=True, min_p=True)
        self._guides: GuideChecks | None = None
        self._inbox: Inbox | None = None
        # Guards what follows, and is held while chunks are put, so that an ending is always the last chunk.
        self._lock = threading.Lock()
        self._inflight: set[int] = set()
        self._bound: set[int] = set()
        self._load = m.Load(0, 0.0)
        self._heard = time.monotonic()
        self._ready = threading.Event()
        self._serving = False
        self._closed = False
        self._ended = False
        self._failure: m.Failed | None = None
        self._exit_code: int | None = None
        self._killed = False
        self._child = ChildProcess(self._on_messages, _silence, self._on_end)

    @property
    def limits(self) -> Limits:
        """What it can take; known once open."""
        if self._limits is None:
            raise EngineClosedError("The engine is not open.")
        return self._limits

    @property
    def features(self) -> Features:
        """What it can do; guides only once it is open."""
        return self._features

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._child.pid

    @property
    def progress(self) -> float:
        """When the child last told of a step that computed something, be it only a part of a prompt."""
        # While a guide is compiled for those who wait for it, nothing else need be heard of.
        return self._heard + (2 * self._options.guide_timeout if self._bound else 0)

    @property
    def guide_pid(self) -> int | None:
        """The process id of the one that checks guides, while there is one."""
        return None if self._guides is None else self._guides.pid

    def open(self, inbox: Inbox) -> None:
        """Start the child and wait until the pipeline is there. Raises `LoadError`."""
        with self._lock:
            if self._closed or self._inbox is not None:
                raise EngineClosedError("An engine is opened once.")
            self._inbox = inbox
        try:
            facts = read_facts(self._model.path)
            start, limits = settings(facts, self._options, available_memory())
            self._open_guides(start)
        except BaseException:
            self._closed = True
            raise
        self._limits = limits
        began = time.monotonic()
        self._child.start()
        self._child.send(m.encode(start))
        in_time = self._ready.wait(self._options.model_loading_timeout)
        with self._lock:
            if in_time and not self._ended and not self._closed:
                self._serving = True
        if not self._serving:
            self.close()
            raise self._load_error(in_time)
        logger.info(
            "OpenVINO runs %s in process %s: ready in %.1f s, KV cache %d tokens (%s), precision %s.",
            self._model.origin,
            self.pid,
            time.monotonic() - began,
            limits.kv_cache_tokens.value,
            limits.kv_cache_tokens.source,
            self._options.openvino_precision,
        )

    def check(self, guide: Guide) -> None:
        """Refuse what cannot be enforced; asks a process of its own about what it has not seen yet."""
        error = unenforced(guide, self.features)
        if error is not None:
            raise error
        if self._guides is not None:
            self._guides.check(guide)

    def submit(self, requests: Sequence[EngineRequest]) -> None:
        """Check the requests and send those that can run to the child in one message."""
        limits = self.limits
        refused: list[TokenChunk] = []
        sequences: list[m.Sequenced] = []
        for request in requests:
            error = refusal(request, limits, self.features)
            if error is not None:
                refused.append(TokenChunk(request.id, error=error))
                continue
            try:
                sequences.append(sequenced(request))
            except (TypeError, ValueError, OverflowError) as failure:
                logger.error("Request %d could not be sent to the engine: %s", request.id, describe(failure))
                defect = InternalError("The request could not be handed to the engine.")
                refused.append(TokenChunk(request.id, error=defect))
        with self._lock:
            inbox = self._open_inbox()
            ids = [request.id for request in requests]
            if len(set(ids)) != len(ids) or not self._inflight.isdisjoint(ids):
                raise ValueError("A request id that is in flight was submitted again.")
            if self._ended:
                refused += [TokenChunk(s.id, error=_broke()) for s in sequences]
            elif sequences:
                if not self._inflight:
                    self._heard = time.monotonic()
                self._inflight.update(s.id for s in sequences)
                self._bound.update(s.id for s in sequences if s.guide is not None)
                # Inside the lock: a cancel that comes next must reach the child after this.
                self._child.send(m.encode(m.Submit(sequences)))
            if refused:
                inbox.put(refused)

    def cancel(self, ids: Sequence[int]) -> None:
        """End sequences for their clients now; the child frees their memory within a step."""
        with self._lock:
            inbox = self._open_inbox()
            ended = [i for i in dict.fromkeys(ids) if i in self._inflight]
            if ended:
                self._inflight.difference_update(ended)
                self._bound.difference_update(ended)
                self._child.send(m.encode(m.Cancel(ended)))
                inbox.put([TokenChunk(i, finish=FinishReason.CANCELLED) for i in ended])

    def stats(self) -> EngineStats:
        """Return the load as the child last reported it; nothing runs when nothing is in flight."""
        with self._lock:
            self._open_inbox()
            running = min(self._load.running, len(self._inflight))
            return EngineStats(
                running,
                len(self._inflight) - running,
                self._load.kv_used_percent if self._inflight else 0.0,
                self.limits.kv_cache_tokens.value // BLOCK,
            )

    def halt(self) -> None:
        """Have the child write its stacks, and kill it."""
        self._child.halt()

    def close(self) -> None:
        """End everything in flight as cancelled, then the child."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._end_all(lambda i: TokenChunk(i, finish=FinishReason.CANCELLED))
            started = self._inbox is not None and self._limits is not None
        self._ready.set()
        if self._guides is not None:
            self._guides.close()
        if not started:
            return
        self._child.send(m.encode(m.Close()))
        # Before it serves, or in a long step, it does not listen; there is nothing in it worth waiting for.
        if not self._serving or not self._child.join(GRACE):
            self._child.kill()
            self._child.join(10 * GRACE)

    def _open_guides(self, start: m.Start) -> None:
        """Say what answers can be bound to, and make the checks of it; starts nothing yet."""
        if not start.guide:
            return
        probe = g.Start(str(Path(start.guide) / PROBE), start.stop_ids, MEMORY)
        self._features = replace(self._features, guides=frozenset(GuideKind))
        self._guides = GuideChecks(
            lambda: GuideProcess(probe),
            self._options.guide_timeout,
            self._options.guide_max_bytes.bytes,
        )

    def _on_messages(self, messages: list[bytes]) -> None:
        """Take the child's messages. In the child's thread."""
        self._heard = time.monotonic()
        for data in messages:
            message = m.decode_to_parent(data)
            if isinstance(message, m.Step):
                self._on_step(message)
            elif isinstance(message, m.Ready):
                self._ready.set()
            else:
                self._failure = message

    def _on_step(self, step: m.Step) -> None:
        with self._lock:
            if step.load is not None:
                self._load = step.load
            inflight = self._inflight
            if self._bound:
                self._bound.difference_update(chunk.id for chunk in step.chunks)
            # What was cancelled a moment ago may still be in here: its client has had its ending.
            chunks = [self._token_chunk(chunk) for chunk in step.chunks if chunk.id in inflight]
            if chunks and self._inbox is not None:
                self._inbox.put(chunks)

    def _token_chunk(self, chunk: m.Chunk) -> TokenChunk:
        logprobs = chunk.logprobs
        if logprobs is not None:
            logprobs = [x if math.isfinite(x) else _NO_LOGPROB for x in logprobs]
        if chunk.end == m.GOING:
            return TokenChunk(chunk.id, chunk.tokens, logprobs)
        self._inflight.discard(chunk.id)
        finish = _FINISH.get(chunk.end)
        error = None if finish is not None else self._error(chunk.end)
        return TokenChunk(chunk.id, chunk.tokens, logprobs, finish, error)

    def _error(self, end: int) -> DjlTrtllmError:
        if end == m.IGNORED:
            # Also after some tokens: an answer that was cut off by us must not look like one that is complete.
            tokens = self.limits.kv_cache_tokens
            return GenerationFailed(
                f"The request did not fit into the KV cache of {tokens.value} tokens ({tokens.source})."
            )
        if end == m.REFUSED:
            return GenerationFailed("The engine does not take this request.")
        return _broke()

    def _on_end(self, code: int | None) -> None:
        """Tell everybody that the child has ended. In the child's thread, its last act."""
        with self._lock:
            self._ended = True
            unexpected = self._serving and not self._closed
            if unexpected:
                logger.error("The engine's process ended (%s).", _ending(code, self._failure))
            self._end_all(lambda i: TokenChunk(i, error=_broke()))
        self._exit_code, self._killed = code, self._child.killed
        self._ready.set()
        if unexpected and self._inbox is not None:
            self._inbox.dead(_broke())

    def _end_all(self, ending: Callable[[int], TokenChunk]) -> None:
        chunks = [ending(i) for i in sorted(self._inflight)]
        self._inflight.clear()
        self._bound.clear()
        if chunks and self._inbox is not None:
            self._inbox.put(chunks)

    def _open_inbox(self) -> Inbox:
        if self._closed or self._inbox is None or not self._serving:
            raise EngineClosedError("The engine is not open.")
        return self._inbox

    def _load_error(self, in_time: bool) -> LoadError:
        """Why `open` failed, in one sentence."""
        if not in_time:
            seconds = self._options.model_loading_timeout
            return LoadError(f"The model was not loaded within {seconds} s (option model_loading_timeout).")
        failure = self._failure
        if failure is None and self._exit_code == -signal.SIGKILL and not self._killed:
            failure = m.Failed(m.MEMORY, "the process was killed, as the kernel does when memory runs out")
        relief = "lower openvino_kv_cache, max_rolling_batch_size or max_input_len, or use quantize."
        if failure is None:
            ended = f"The engine's process ended while loading ({_ending(self._exit_code, None)})."
            return LoadError(ended, f"If memory was short, {relief}")
        if failure.kind == m.MEMORY:
            tokens = self.limits.kv_cache_tokens
            return OutOfMemory(
                f"There is not enough memory for the model and a KV cache of {tokens.value} tokens "
                f"({tokens.source}). {relief.capitalize()}",
                f"What is known of it: {failure.text}.",
            )
        if failure.kind == m.LIBRARIES:
            return LoadError(f"OpenVINO cannot be used here: {failure.text}.")
        return ArtifactError(f"OpenVINO cannot load the compiled model: {failure.text}.")


def _silence() -> None:
    """A child that says nothing is the stall watch's business."""


def _broke() -> EngineRestarting:
    return EngineRestarting("The engine broke while this request was running; send it again.")


def _ending(code: int | None, failure: m.Failed | None) -> str:
    if failure is not None:
        return failure.text
    if code is None:
        return "it could not be started"
    return f"signal {-code}" if code < 0 else f"exit code {code}"
