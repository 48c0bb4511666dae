"""The loop: one call of `step` answers one step of DJL's rolling batch.

Rules it keeps, all of DJL-Serving's RollingBatch (0.25 to 0.36, read and observed): identity is position, a slot
leaves after its last reply, a reply has one item per listed request, a step never returns at once with nothing
(Java would spin), and a reset voids every earlier request.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from djl_trtllm.core import TokenChunk
from djl_trtllm.engines.base import Engine
from djl_trtllm.errors import DjlTrtllmError, InternalError
from djl_trtllm.rolling_batch.admit import Admission, Arrival
from djl_trtllm.rolling_batch.defects import as_request_error
from djl_trtllm.rolling_batch.entrance import Entrance
from djl_trtllm.rolling_batch.hangs import Hangs
from djl_trtllm.rolling_batch.inbox import QueueInbox
from djl_trtllm.rolling_batch.live_sequence import LiveSequence
from djl_trtllm.rolling_batch.slot import Replies, Reply, Slot
from djl_trtllm.telemetry.meter import Meter
from djl_trtllm.telemetry.requests import RequestLog
from djl_trtllm.telemetry.stall import StallWatch

log = logging.getLogger(__name__)

STEP_SECONDS = 0.1
"""A step answers at the latest after this time, so that new requests and DJL's timeouts never wait for us."""

BURST_SECONDS = 0.01
"""The same for a step that brought new requests: the others of a burst wait in Java until it is answered, and are to
be with the engine before its next step begins."""

STOP_SECONDS = 0.1
"""How long the end of the process waits for a step to tell its requests."""

METER_SECONDS = 1.0
"""Between two times that the meter counts and the log is written, while requests run."""


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
        self,
        engine: Engine,
        inbox: QueueInbox,
        admission: Admission,
        item_chars: int,
        requests: RequestLog,
        queue_max_tokens: int | None = None,
        watch: StallWatch | None = None,
        meter: Meter | None = None,
    ) -> None:
        """`watch` tells when the engine hangs, and has it replaced; `meter` counts."""
        self._engine = engine
        self._inbox = inbox
        self._admission = admission
        self._item_chars = item_chars
        self._requests = requests
        self._meter = meter or Meter()
        self._waited = 0.0
        self._patience = STEP_SECONDS
        self._every = METER_SECONDS
        self._due = time.monotonic() + self._every
        self._going = False
        """Whether any sequence with the engine has had tokens."""
        self.beats = 0
        """Goes up by one at the beginning and at the end of each step."""
        self._ids = itertools.count(1)
        self._slots: list[Slot] = []
        self.over = False
        """True once the engine's death has been answered to everybody who was listed."""
        self._stopping = False
        self._told = threading.Event()
        self._live: dict[int, LiveSequence | Slot] = {}
        self._entrance = Entrance(engine, inbox, admission, self._live, self._ids, queue_max_tokens)
        self._hangs = Hangs(engine, inbox, self._live, self._entrance, watch)

    @property
    def active(self) -> int:
        """Requests that DJL will list again in the next step."""
        return len(self._slots)

    @property
    def preparing(self) -> int:
        """Requests that are not with the engine yet. From any thread."""
        return sum(isinstance(one, Slot) for one in list(self._live.values()))

    def step(self, step: Step) -> Replies:
        """Receive, admit, step, emit. Returns exactly `step.size` replies and never raises on a request's fault."""
        self.beats += 1
        began = time.monotonic()
        try:
            arrivals = self._receive(step)
            if arrivals:
                self._admit(arrivals)
            heard = self._advance()
            replies = self._emit()
            now = time.monotonic()
            self._meter.stepped(now, now - began - self._waited, heard)
            if now >= self._due or not self._slots:
                self._count()
                self._requests.pass_on()
                self._due = now + self._every
            return replies
        finally:
            self.beats += 1

    def reset(self) -> None:
        """Forget every request: DJL has had, or will never take, an answer to each."""
        self._void(self._slots)
        self._slots = []
        self._requests.pass_on()

    def stop(self, error: DjlTrtllmError) -> None:
        """End every request with `error`, those that run and those that come, in the steps that DJL asks for.

        From any thread, before the process ends. Returns when those that run have been told, or `STOP_SECONDS` later.
        """
        self._stopping = True
        running = bool(self._slots)
        self._inbox.dead(error)
        if running:
            self._told.wait(STOP_SECONDS)

    def close(self) -> None:
        """Void everything and stop the preparation threads. The engine is closed by its owner."""
        self._void(self._slots)
        self._entrance.close()
        self._requests.pass_on()

    def _receive(self, step: Step) -> list[tuple[Slot, Arrival]]:
        self._patience = BURST_SECONDS if step.arrivals else STEP_SECONDS
        expected = step.size - len(step.arrivals)
        if step.reset or expected != len(self._slots):
            self.reset()
            self._slots = [self._lost() for _ in range(expected)]
        if not step.arrivals:
            return []
        origin = self._requests.origin
        ids, firsts = self._ids, self._meter.firsts
        fresh = [(Slot(next(ids), origin(arrival.headers), firsts), arrival) for arrival in step.arrivals]
        self._slots += [slot for slot, _ in fresh]
        return fresh

    def _lost(self) -> Slot:
        slot = Slot(next(self._ids))
        slot.fail(InternalError("The server lost track of this request; send it again."))
        return slot

    def _admit(self, arrivals: list[tuple[Slot, Arrival]]) -> None:
        if self._inbox.death is not None:
            for slot, _ in arrivals:
                slot.fail(self._inbox.death)
            return
        for slot, error in self._entrance.admit(arrivals):
            slot.fail(error)

    def _advance(self) -> tuple[int, int, bool]:
        """Feed what the engine has: how many chunks with tokens, in how many batches, and whether any came before."""
        news = self._inbox.drain()
        self._waited = 0.0
        if not news and not any(slot.has_news for slot in self._slots):
            asked = time.monotonic()
            news = self._inbox.wait(self._patience)
            self._waited = time.monotonic() - asked
        stopped: list[int] = []
        empty, ended = self._feed(news, stopped)
        heard = (sum(map(len, news)) - empty, len(news), self._going)
        if ended or self._meter.firsts:
            self._going = self._any_going()
        if stopped:
            self._engine.cancel(stopped)
        if self._hangs.look(news):
            self._going = False
        if self._inbox.death is not None:
            self._bury(self._inbox.death)
        return heard

    def _feed(self, news: Sequence[Sequence[TokenChunk]], stopped: list[int]) -> tuple[int, bool]:
        """Give chunks to their sequences: how many told of no token that counts, and whether any sequence ended.

        `stopped` takes the ids of those that the engine is still at.
        """
        live = self._live
        empty, ended = 0, False
        for chunks in news:
            for chunk in chunks:
                sequence = live.get(chunk.id)
                if sequence is None:
                    empty += 1
                    continue
                try:
                    over = sequence.feed(chunk)
                except Exception as defect:
                    sequence.abort(as_request_error(defect, "writing an answer"))
                    over = True
                if over:
                    ended = True
                    del live[chunk.id]
                    if not chunk.tokens:
                        empty += 1
                    if chunk.finish is None and chunk.error is None:
                        stopped.append(chunk.id)
                    self._settle(sequence, stopped)
        return empty, ended

    def _any_going(self) -> bool:
        """Whether the oldest of those with the engine has had tokens; the others come after it."""
        try:
            for oldest in self._live.values():
                return not oldest.waiting
        except RuntimeError:  # a preparation's thread has just put one there
            return True
        return False

    def _settle(self, ended: LiveSequence | Slot, stopped: list[int]) -> None:
        """Look whether a request is over now; what else of it runs is to be stopped."""
        slot = ended if isinstance(ended, Slot) else ended.owner
        if not slot.over:
            return
        stopped += [s.id for s in slot.sequences if self._live.pop(s.id, None) is not None]

    def _bury(self, death: DjlTrtllmError) -> None:
        for slot in self._slots:
            if not slot.over:
                slot.fail(death)
        running = list(self._live)
        self._live.clear()
        if running and self._stopping:
            self._engine.cancel(running)
        self.over = not self._stopping
        self._told.set()

    def _emit(self) -> Replies:
        most = self._item_chars
        replies: list[str | Reply | None] = []
        add = replies.append
        gone: list[Slot] = []
        for slot in self._slots:
            # `Slot.take` written out for what nearly every slot has in nearly every step: a call less a token.
            data = slot.data
            if slot.flowing and len(data) <= most:
                slot.data = ""
                add(data or None)
            else:
                add(slot.take(most))
                if slot.gone:
                    gone.append(slot)
        if gone:
            self._retire(gone)
        return replies

    def _retire(self, gone: Sequence[Slot]) -> None:
        """Drop the slots that have had their last reply."""
        self._slots = [slot for slot in self._slots if not slot.gone]
        ended = [slot.summary() for slot in gone]
        self._requests.ended(ended)
        self._meter.ended(ended)
        for slot in gone:
            slot.release()

    def _count(self) -> None:
        """Have the meter count, also the tokens of requests that still run."""
        prompted, generated = 0, 0
        for slot in self._slots:
            before = slot.metered
            slot.metered = now = slot.so_far()
            prompted += now[0] - before[0]
            generated += now[1] - before[1]
        self._meter.progressed(prompted, generated)
        self._meter.settle()

    def _void(self, slots: Sequence[Slot]) -> None:
        self._meter.cancelled += sum(not slot.over for slot in slots)
        self._going = False
        running = self._entrance.void(slots)
        if running:
            self._engine.cancel(running)
            log.warning("%d running sequences were voided by the server", len(running))
