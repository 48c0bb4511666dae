"""How new requests get in: prepared inside the step, or aside where that could take long."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

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
        self._large = ThreadPoolExecutor(_THREADS, thread_name_prefix="prepare")
        self._guided = ThreadPoolExecutor(_THREADS, thread_name_prefix="guide")

    def admit(self, arrivals: Sequence[tuple[Slot, Arrival]]) -> list[tuple[Slot, DjlTrtllmError]]:
        """Begin new requests; return those that are refused already. Others may be refused through the inbox."""
        refused: list[tuple[Slot, DjlTrtllmError]] = []
        ready: list[EngineRequest] = []
        for slot, arrival in arrivals:
            self._live[slot.id] = slot
            if len(arrival.body) > INLINE_BODY_BYTES:
                self._large.submit(self._aside, slot, arrival)
                continue
            try:
                request = self._admission.parse(arrival)
                if request.guide is None:
                    ready += self._prepared(slot, request)
                    self._register(slot)
                else:
                    self._guided.submit(self._aside_guided, slot, request)
            except Exception as error:
                del self._live[slot.id]
                refused.append((slot, as_request_error(error, "preparing a request")))
        if ready:
            self._engine.submit(ready)
        return refused

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
        if request.guide is None:
            self._submit(slot, request)
        elif not slot.void:
            self._guided.submit(self._aside_guided, slot, request)

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

    def _refuse(self, slot: Slot, error: Exception) -> None:
        self._inbox.put([TokenChunk(slot.id, error=as_request_error(error, "preparing a request"))])
