"""How new requests get in: prepared inside the step, or aside where that could take long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from djl_trtllm.core import EngineRequest, Request, TokenChunk
from djl_trtllm.engines.base import Engine
from djl_trtllm.errors import Busy, DjlTrtllmError
from djl_trtllm.rolling_batch.admit import Admission, Arrival
from djl_trtllm.rolling_batch.defects import as_request_error
from djl_trtllm.rolling_batch.inbox import QueueInbox
from djl_trtllm.rolling_batch.live_sequence import LiveSequence
from djl_trtllm.rolling_batch.slot import Slot

INLINE_BODY_BYTES = 8192
"""Bodies up to this size are prepared inside the step; larger ones in a thread that submits by itself."""

_THREADS = 2


class Entrance:
    """Prepares arrivals and gives their sequences to the engine.

    `live` is shared with the loop: what takes the engine's chunks, by sequence id; a slot stands there for itself until
    it has begun. Large bodies have threads of their own, and so have requests with a guide, whose check may take
    seconds: they only ever wait for each other.
    """

    def __init__(
        self,
        engine: Engine,
        inbox: QueueInbox,
        admission: Admission,
        live: dict[int, LiveSequence | Slot],
        ids: Iterator[int],
        queue_max_tokens: int | None,
    ) -> None:
        self._engine = engine
        self._inbox = inbox
        self._admission = admission
        self._live = live
        self._ids = ids
        self._queue_max_tokens = queue_max_tokens
        self._submitting = threading.Lock()
        self._large = _preparers()
        self.preparing: dict[int, Slot] = {}
        """Requests with large bodies that are being prepared, or wait for that."""
        self.progress = 0.0
        """When one of them was last done with, of the monotonic clock."""
        self._guided = ThreadPoolExecutor(_THREADS, thread_name_prefix="guide")

    def admit(self, arrivals: Sequence[tuple[Slot, Arrival]]) -> list[tuple[Slot, DjlTrtllmError]]:
        """Begin new requests; return those that are refused already. Others may be refused through the inbox."""
        refused: list[tuple[Slot, DjlTrtllmError]] = []
        ready: list[EngineRequest] = []
        for slot, arrival in arrivals:
            self._live[slot.id] = slot
            try:
                if len(arrival.body) > INLINE_BODY_BYTES:
                    self._prepare_aside(slot, arrival)
                    continue
                request = self._admission.parse(arrival)
                if request.guide is None:
                    ready += self._prepared(slot, request)
                    self._register(slot)
                else:
                    self._go_aside(self._guided, slot, self._aside_guided, request)
            except Exception as error:
                # Its thread may still come, where the pool has taken it before it could not start one.
                slot.void = True
                del self._live[slot.id]
                refused.append((slot, as_request_error(error, "preparing a request")))
        if ready:
            try:
                self._engine.submit(ready)
            except Exception as error:
                refused += self._not_taken(ready, error)
        return refused

    def _not_taken(
        self, requests: Sequence[EngineRequest], error: Exception
    ) -> list[tuple[Slot, DjlTrtllmError]]:
        """Return the slots of requests at which the engine has raised, each once."""
        sequences = [self._live.pop(request.id, None) for request in requests]
        owners = {s.owner.id: s.owner for s in sequences if isinstance(s, LiveSequence)}
        failure = as_request_error(error, "handing requests to the engine")
        return [(slot, failure) for slot in owners.values()]

    def replace(self, why: str) -> None:  # noqa: ARG002
        """Leave threads behind that hang in preparing requests, and tell whose requests those are."""
        hung, self.preparing = self.preparing, {}
        pool, self._large = self._large, _preparers()
        pool.shutdown(wait=False, cancel_futures=True)
        for slot in hung.values():
            slot.void = True
            self._inbox.put(
                [TokenChunk(slot.id, error=Busy("This request was not prepared in time; send it again."))]
            )

    def void(self, slots: Sequence[Slot]) -> list[int]:
        """Let nothing of `slots` in any more; return the ids of what is in already."""
        with self._submitting:
            for slot in slots:
                slot.void = True
            running = list(self._live)
            self._live.clear()
        return running

    def close(self) -> None:
        """Stop the threads."""
        for pool in (self._large, self._guided):
            pool.shutdown(wait=False, cancel_futures=True)

    def _prepared(self, slot: Slot, request: Request) -> Sequence[EngineRequest]:
        requests = self._admission.prepare(slot, request, self._ids)
        if self._queue_max_tokens is not None:
            self._check_queue(requests, self._queue_max_tokens)
        return requests

    def _register(self, slot: Slot) -> None:
        self._live.update((sequence.id, sequence) for sequence in slot.sequences)

    def _check_queue(self, requests: Sequence[EngineRequest], most: int) -> None:
        """Refuse a request while others wait whose prompts, with its own, have too many tokens."""
        waiting = sum(
            len(sequence.prompt.ids)
            for sequence in list(self._live.values())
            if isinstance(sequence, LiveSequence) and sequence.waiting
        )
        own = sum(len(request.prompt_ids) for request in requests)
        if waiting and waiting + own > most:
            raise Busy(
                f"Prompts of {waiting} tokens are waiting, and with the {own} of this request that is more than the "
                f"limit of {most} (set by queue_max_tokens); send it again later."
            )

    def _aside(self, slot: Slot, arrival: Arrival) -> None:
        try:
            request = self._admission.parse(arrival)
        except Exception as error:
            self._refuse(slot, error)
            return
        arrival.body = b""  # or it would stay in memory, beside its text, while that is encoded
        if request.guide is None:
            self._submit(slot, request)
        elif not slot.void:
            try:
                self._go_aside(self._guided, slot, self._aside_guided, request)
            except Exception as error:
                self._refuse(slot, error)

    def _aside_guided(self, slot: Slot, request: Request) -> None:
        try:
            if request.guide is not None and not slot.void:
                self._engine.check(request.guide)
        except Exception as error:
            self._refuse(slot, error)
            return
        self._submit(slot, request)

    def _submit(self, slot: Slot, request: Request) -> None:
        try:
            if slot.void:
                return
            requests = self._prepared(slot, request)
        except Exception as error:
            self._refuse(slot, error)
            return
        with self._submitting:
            if not slot.void:
                self._register(slot)
                self._engine.submit(requests)

    def _prepare_aside(self, slot: Slot, arrival: Arrival) -> None:
        preparing = self.preparing
        preparing[slot.id] = slot
        try:
            self._go_aside(self._large, slot, self._aside, arrival)
        except Exception:
            del preparing[slot.id]
            raise

    def _go_aside(
        self, pool: ThreadPoolExecutor, slot: Slot, work: Callable[[Slot, Any], None], given: object
    ) -> None:
        pool.submit(work, slot, given).add_done_callback(partial(self._came_back, slot))

    def _came_back(self, slot: Slot, done: Future[None]) -> None:
        """Tell whoever waits for a preparation that was ended by what nobody has caught."""
        if self.preparing.pop(slot.id, None) is not None:
            self.progress = time.monotonic()
        if done.cancelled() or (error := done.exception()) is None:
            return
        failure = as_request_error(error, "preparing a request")
        ids = [sequence.id for sequence in slot.sequences] or [slot.id]
        self._inbox.put([TokenChunk(sequence_id, error=failure) for sequence_id in ids])

    def _refuse(self, slot: Slot, error: Exception) -> None:
        self._inbox.put([TokenChunk(slot.id, error=as_request_error(error, "preparing a request"))])


def _preparers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="prepare")
