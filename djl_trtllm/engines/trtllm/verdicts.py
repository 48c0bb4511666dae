"""Whether an error in a step of the batch is one request's own or the end of the executor.

An exception in the library's step is told to every active request, and the executor may be of no use afterwards
(upstream's sources up to 1.2). When only one request was active, a second one that is surely sound has to tell.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from djl_trtllm.engines.trtllm.flight import Flight
from djl_trtllm.engines.trtllm.load_errors import of_guides, one_line
from djl_trtllm.errors import GenerationFailed

logger = logging.getLogger(__name__)

PATIENCE = 10.0
"""Seconds that the sound request may take."""


class Verdicts:
    """Judges errors, under the flight's lock. `ask` enqueues a sound request and returns its handle, `asked`."""

    def __init__(self, flight: Flight, ask: Callable[[], int]) -> None:
        self._flight = flight
        self._ask = ask
        self._suspects: list[int] = []
        self._until = 0.0
        self.asked: int | None = None

    def judge(self, failed: Sequence[tuple[int, str]]) -> None:
        """Decide over the handles of sequences that ended with an error in a step, and what it said."""
        messages = {message for _, message in failed}
        message = next(iter(messages))
        said = "a guide could not be enforced" if of_guides(message) else message[:500]
        logger.error("A step failed for %d requests: %s", len(failed), said)
        if len(failed) > len(messages):
            self._flight.breaks("a step of the batch failed")
        elif len(failed) == len(self._flight.live):
            self._suspects += [handle for handle, _ in failed]
            self._begin()
        else:
            self._give_up([handle for handle, _ in failed])

    def hear(self, *, failed: bool) -> None:
        """Take the last answer to the sound request."""
        self.asked = None
        if failed:
            self._flight.breaks("no request runs any more")
        else:
            self._give_up(self._suspects)
            self._suspects = []

    def look(self) -> None:
        """Notice that the sound request does not run."""
        if self.asked is not None and time.monotonic() > self._until:
            self._flight.breaks(f"no request was run within {PATIENCE:.0f} s after an error")

    def _begin(self) -> None:
        if self.asked is not None:
            return
        try:
            self.asked = self._ask()
            self._until = time.monotonic() + PATIENCE
        except Exception as error:
            self._flight.breaks(f"it takes no requests any more ({one_line(error)})")

    def _give_up(self, handles: Sequence[int]) -> None:
        chunks = []
        for handle in handles:
            sequence = self._flight.handles.pop(handle, None)
            if sequence is not None and not sequence.over:
                chunks.append(sequence.failed(GenerationFailed("The engine gave this request up.")))
                self._flight.ended(sequence)
        self._flight.put(chunks)
