"""What is done about an engine, or a preparation of requests, that hangs: it is let go of, and its clients are told."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.core import TokenChunk
from djl_trtllm.engines.base import Engine
from djl_trtllm.errors import EngineRestarting
from djl_trtllm.rolling_batch.entrance import Entrance
from djl_trtllm.rolling_batch.inbox import QueueInbox
from djl_trtllm.rolling_batch.live_sequence import LiveSequence
from djl_trtllm.rolling_batch.slot import Slot
from djl_trtllm.telemetry.stall import StallWatch


class Hangs:
    """Looks after both once a step. `watch` is the engine's, None where it cannot be replaced.

    `live` is the loop's: what takes the engine's chunks, by sequence id.
    """

    def __init__(
        self,
        engine: Engine,
        inbox: QueueInbox,
        live: dict[int, LiveSequence | Slot],
        entrance: Entrance,
        watch: StallWatch | None,
    ) -> None:
        self._engine = engine
        self._inbox = inbox
        self._live = live
        self._entrance = entrance
        self._watch = watch
        seconds = watch.seconds if watch is not None else 0.0
        self._entrance_watch = StallWatch(seconds, entrance, "The preparation of requests")

    def look(self, news: Sequence[Sequence[TokenChunk]]) -> bool:
        """Take a step's news, replace what hangs; whether the engine was replaced."""
        watch, replaced = self._watch, False
        if watch is not None:
            hung = watch.look(news, self._runs)
            if hung is not None:
                self._replace(watch, hung)
                replaced = True
        if self._entrance.preparing:
            late = self._entrance_watch.look((), _always)
            if late is not None:
                self._entrance_watch.replace(late)
        return replaced

    def _runs(self) -> bool:
        """Whether the engine has anything to run."""
        return any(isinstance(sequence, LiveSequence) for sequence in list(self._live.values()))

    def _replace(self, watch: StallWatch, why: str) -> None:
        # First, so that what is submitted from now on waits for the next engine.
        watch.replace(why)
        lost = [sequence for sequence in list(self._live.values()) if isinstance(sequence, LiveSequence)]
        for sequence in lost:
            self._live.pop(sequence.id, None)
            if not sequence.owner.over:
                sequence.owner.fail(
                    EngineRestarting("The engine hung while this request was running; send it again.")
                )
        if self._inbox.death is None:
            self._engine.cancel([sequence.id for sequence in lost])


def _always() -> bool:
    return True
