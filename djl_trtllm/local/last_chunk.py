"""The moment between a last chunk's announcement and its arrival.

DJL marks an answer as complete before it queues the last chunk (`ChunkedBytesSupplier.appendContent`, 0.25.0 and
0.34.0, from the byte code), so a reader that looks in between takes the chunk before for the last one. Its rolling
batch holds one lock while it hands out a step: whoever has held that lock since sees the answer as it is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

GRACE_SECONDS = 0.01
"""How long to wait where there is no such lock: an answer that does not come from a rolling batch."""


def handed_out(predictor: Any) -> Callable[[], None]:
    """Return a call that blocks until no chunk is on its way between its announcement and its answer's queue."""
    rolling_batch = _field(predictor, "rollingBatch") or _field(_field(predictor, "process"), "rollingBatch")
    lock = _field(rolling_batch, "lock")
    if lock is None:
        return lambda: time.sleep(GRACE_SECONDS)

    def hold_once() -> None:
        lock.lock()
        lock.unlock()

    return hold_once


def _field(owner: Any, name: str) -> Any:
    """Return a private field of a Java object, or None where its class declares no such field."""
    if owner is None:
        return None
    for declared in owner.getClass().getDeclaredFields():
        if str(declared.getName()) == name:
            declared.setAccessible(True)
            return declared.get(owner)
    return None
