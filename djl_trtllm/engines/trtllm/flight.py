"""The sequences in flight in a batch manager, and the promise that each gets exactly one ending."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Mapping

from djl_trtllm.core import Inbox, TokenChunk
from djl_trtllm.engines.base import EngineClosedError
from djl_trtllm.engines.trtllm.sequences import Sequence
from djl_trtllm.errors import DjlTrtllmError, EngineRestarting

logger = logging.getLogger(__name__)


class Flight:
    """Sequences by our id and by the handle that the library knows them by.

    `lock` guards everything here and is held while chunks are put, so that an ending is always the last chunk. Who
    enqueues holds it until the sequences are in: no answer can be looked up before. `live` are those whose client
    waits; `handles` also has cancelled ones until the library lets go of them. `heard` is when there was progress.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.live: dict[int, int] = {}
        self.handles: dict[int, Sequence] = {}
        self.heard = time.monotonic()
        self.closed = False
        self.broken = False
        self._inbox: Inbox | None = None
        self._serving = False

    def begin(self, inbox: Inbox) -> None:
        """Take the inbox, once."""
        with self.lock:
            if self.closed or self._inbox is not None:
                raise EngineClosedError("An engine is opened once.")
            self._inbox = inbox

    def serve(self) -> bool:
        """Let requests in; False where the engine was closed or broke before."""
        with self.lock:
            self._serving = not self.closed and not self.broken
            return self._serving

    @property
    def inbox(self) -> Inbox:
        """Where chunks go. Raises where the engine is not open."""
        if self.closed or self._inbox is None or not self._serving:
            raise EngineClosedError("The engine is not open.")
        return self._inbox

    def check_new(self, ids: list[int]) -> None:
        """Raise `ValueError` where one of `ids` is in flight already."""
        if len(set(ids)) != len(ids) or not self.live.keys().isdisjoint(ids):
            raise ValueError("A request id that is in flight was submitted again.")

    def add(self, sequences: Mapping[int, Sequence]) -> None:
        """Register sequences by handle; the caller has held the lock since before they were enqueued."""
        if not self.live:
            self.heard = time.monotonic()
        self.handles.update(sequences)
        self.live.update((sequence.id, handle) for handle, sequence in sequences.items())

    def put(self, chunks: list[TokenChunk]) -> None:
        """Deliver chunks, if there are any; the caller holds the lock."""
        if chunks and self._inbox is not None:
            self._inbox.put(chunks)

    def cancel(self, ids: Iterable[int]) -> list[int]:
        """End sequences as cancelled and return their handles; the caller holds the lock."""
        handles = [handle for i in dict.fromkeys(ids) if (handle := self.live.pop(i, None)) is not None]
        self.put([self.handles[handle].cancelled() for handle in handles])
        return handles

    def ended(self, sequence: Sequence) -> None:
        """Forget a sequence whose client has had the ending."""
        self.live.pop(sequence.id, None)

    def fail_all(self, error: DjlTrtllmError) -> None:
        """End everything in flight with an error."""
        self.put([self.handles[handle].failed(error) for handle in self.live.values()])
        self.live.clear()

    def breaks(self, why: str) -> None:
        """Say that the batch manager is gone: everybody in flight gets a retryable error, then the inbox hears it."""
        with self.lock:
            if self.broken or self.closed:
                return
            self.broken = True
            logger.error("The engine broke: %s", why)
            self.fail_all(broke())
            if self._serving and self._inbox is not None:
                self._inbox.dead(broke())

    def close(self) -> bool:
        """End everything in flight as cancelled; False where that was done before."""
        with self.lock:
            if self.closed:
                return False
            self.cancel(list(self.live))
            self.closed = True
            return True


def broke() -> EngineRestarting:
    """Make the ending of a request that was in flight when the engine broke."""
    return EngineRestarting("The engine broke while this request was running; send it again.")
