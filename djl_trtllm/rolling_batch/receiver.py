"""What chunks of the engine go to."""

from __future__ import annotations

from djl_trtllm.core import TokenChunk


class Receiver:
    """A sequence, or a request that stands for its sequences until it has begun."""

    __slots__ = ()

    def feed(self, chunk: TokenChunk) -> bool:
        """Take news from the engine; True when nothing more is accepted."""
        raise NotImplementedError
