"""What stands between a supervised engine and the loop's inbox."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence

from djl_trtllm.core import FinishReason, Inbox, TokenChunk
from djl_trtllm.errors import DjlTrtllmError


class Relay:
    """The inner engine's inbox: passes chunks on, tells of the death, remembers whether anything was finished.

    It takes no lock, because the inner engine may call it while it holds its own. `hung` says that the engine was let
    go of, `replaced` that the keeper has seen to it.
    """

    def __init__(self, inbox: Inbox, deaths: queue.SimpleQueue[Relay | None]) -> None:
        self._put: Callable[[Sequence[TokenChunk]], None] = inbox.put
        self._deaths = deaths
        self.broken = False
        self.useful = False
        self.hung = False
        self.replaced = False

    def put(self, chunks: Sequence[TokenChunk]) -> None:
        """Pass chunks on."""
        if not self.useful:
            self.useful = any(c.finish in (FinishReason.EOS, FinishReason.LENGTH) for c in chunks)
        self._put(chunks)

    def mute(self) -> None:
        """Pass nothing on any more."""
        self._put = _nobody

    def hangs(self) -> None:
        """Take the engine, which says nothing, for broken."""
        self.mute()
        self.hung = self.broken = True
        self._deaths.put(self)

    def dead(self, error: DjlTrtllmError) -> None:  # noqa: ARG002
        """Have the keeper open another engine."""
        self.broken = True
        self._deaths.put(self)


def _nobody(chunks: Sequence[TokenChunk]) -> None:
    """Take the chunks of an engine that was given up."""
