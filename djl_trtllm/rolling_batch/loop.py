"""The loop: one call of `step` answers one step of DJL's rolling batch.

Rules it keeps, all of DJL-Serving's RollingBatch (0.25 to 0.36, read and observed): identity is position, a slot
leaves after its last reply, a reply has one item per listed request, a step never returns at once with nothing
(Java would spin), and a reset voids every earlier request.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from djl_trtllm.core import EngineRequest, TokenChunk
from djl_trtllm.engines.base import Engine
from djl_trtllm.errors import DjlTrtllmError, InternalError, RequestError
from djl_trtllm.rolling_batch.admit import Admission, Arrival
from djl_trtllm.rolling_batch.inbox import QueueInbox
from djl_trtllm.rolling_batch.slot import Replies, Reply, Slot
from djl_trtllm.telemetry.logs import describe
from djl_trtllm.telemetry.requests import RequestLog

log = logging.getLogger(__name__)

STEP_SECONDS = 0.1
"""A step answers at the latest after this time, so that new requests and DJL's timeouts never wait for us."""

INLINE_BODY_BYTES = 8192
"""Bodies up to this size are prepared inside the step; larger ones in a thread that submits by itself."""


@dataclass(frozen=True, slots=True)
class Step:
    """What DJL asks in one step: how many requests it lists, whether earlier ones are void, and the new ones.

    `arrivals` are the last ones of the `size` listed; all before them were answered in an earlier step.
    """

    size: int
    arrivals: Sequence[Arrival] = ()
    reset: bool = False


class RollingBatch:
    """The ordered list of live requests and everything that happens to it. One thread calls `step`."""

    def __init__(
        self, engine: Engine, inbox: QueueInbox, admission: Admission, item_chars: int, requests: RequestLog
    ) -> None:
        self._engine = engine
        self._inbox = inbox
        self._admission = admission
        self._item_chars = item_chars
        self._requests = requests
        self._ids = itertools.count(1)
        self._slots: list[Slot] = []
        self._ending = False
        self.over = False
        """True once the engine's death has been answered to everybody who was listed."""
        self._live: dict[int, Slot] = {}
        self._submitting = threading.Lock()
        self._pool = ThreadPoolExecutor(max_workers=2, thread_name_prefix="prepare")

    @property
    def active(self) -> int:
        """Requests that DJL will list again in the next step."""
        return len(self._slots)

    def step(self, step: Step) -> Replies:
        """Receive, admit, step, emit. Returns exactly `step.size` replies and never raises on a request's fault."""
        arrivals = self._receive(step)
        self._admit(arrivals)
        self._advance()
        return self._emit()

    def reset(self) -> None:
        """Forget every request: DJL has had, or will never take, an answer to each."""
        self._void(self._slots)
        self._slots = []

    def close(self) -> None:
        """Void everything and stop the preparation threads. The engine is closed by its owner."""
        self._void(self._slots)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _receive(self, step: Step) -> list[tuple[Slot, Arrival]]:
        expected = step.size - len(step.arrivals)
        if step.reset or expected != len(self._slots):
            self.reset()
            self._slots = [self._lost() for _ in range(expected)]
        fresh = [(Slot(next(self._ids)), arrival) for arrival in step.arrivals]
        self._slots += [slot for slot, _ in fresh]
        return fresh

    def _lost(self) -> Slot:
        slot = Slot(next(self._ids))
        self._fail(slot, InternalError("The server lost track of this request; send it again."))
        return slot

    def _admit(self, arrivals: list[tuple[Slot, Arrival]]) -> None:
        ready: list[EngineRequest] = []
        for slot, arrival in arrivals:
            if self._inbox.death is not None:
                self._fail(slot, self._inbox.death)
                continue
            self._live[slot.id] = slot
            if len(arrival.body) > INLINE_BODY_BYTES:
                self._pool.submit(self._prepare_aside, slot, arrival)
            else:
                try:
                    ready.append(self._admission.prepare(slot, arrival))
                except Exception as error:
                    del self._live[slot.id]
                    self._fail(slot, _as_request_error(error))
        if ready:
            self._engine.submit(ready)

    def _prepare_aside(self, slot: Slot, arrival: Arrival) -> None:
        try:
            request = self._admission.prepare(slot, arrival)
        except Exception as error:
            self._inbox.put([TokenChunk(slot.id, error=_as_request_error(error))])
            return
        with self._submitting:
            if not slot.void:
                self._engine.submit([request])

    def _advance(self) -> None:
        news = self._inbox.drain()
        if not news and not any(slot.has_news for slot in self._slots):
            news = self._inbox.wait(STEP_SECONDS)
        live = self._live
        stopped: list[int] = []
        for chunks in news:
            for chunk in chunks:
                slot = live.get(chunk.id)
                if slot is None:
                    continue
                if slot.feed(chunk):
                    self._ending = True
                    del live[chunk.id]
                    if chunk.finish is None and chunk.error is None:
                        stopped.append(chunk.id)
        if stopped:
            self._engine.cancel(stopped)
        if self._inbox.death is not None:
            self._bury(self._inbox.death)

    def _bury(self, death: DjlTrtllmError) -> None:
        for slot in self._live.values():
            self._fail(slot, death)
        self._live.clear()
        self.over = True

    def _fail(self, slot: Slot, error: DjlTrtllmError) -> None:
        slot.fail(error)
        self._ending = True

    def _emit(self) -> Replies:
        most = self._item_chars
        replies = [slot.take(most) for slot in self._slots]
        if self._ending:
            self._retire(replies)
        return replies

    def _retire(self, replies: Replies) -> None:
        """Drop the slots that have had their last reply."""
        last = [isinstance(reply, Reply) and reply.last for reply in replies]
        gone = [slot for slot, is_last in zip(self._slots, last, strict=True) if is_last]
        self._slots = [slot for slot, is_last in zip(self._slots, last, strict=True) if not is_last]
        self._ending = any(slot.ended for slot in self._slots)
        self._requests.ended([slot.summary() for slot in gone])

    def _void(self, slots: Sequence[Slot]) -> None:
        running = [slot.id for slot in slots if slot.id in self._live]
        with self._submitting:
            for slot in slots:
                slot.void = True
        self._live.clear()
        if running:
            self._engine.cancel(running)
            log.warning("%d running requests were voided by the server", len(running))


def _as_request_error(error: Exception) -> DjlTrtllmError:
    if isinstance(error, RequestError):
        return error
    log.error("preparing a request failed: %s", describe(error))
    return InternalError("The server failed to prepare this request.")
