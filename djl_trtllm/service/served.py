"""A loaded model and the loop around it, on the rank that DJL talks to."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.core import Limits
from djl_trtllm.engines.supervisor import Supervisor
from djl_trtllm.errors import Stopping
from djl_trtllm.options.table import Options
from djl_trtllm.ranks.replies import Given
from djl_trtllm.rolling_batch.admit import Arrival
from djl_trtllm.rolling_batch.loop import RollingBatch, Step
from djl_trtllm.rolling_batch.slot import Replies
from djl_trtllm.rolling_batch.whole import Answer, answer
from djl_trtllm.telemetry.metrics import Metrics
from djl_trtllm.telemetry.stall import Watchdog
from djl_trtllm.telemetry.tracing import Tracing
from djl_trtllm.text.tokenizer import Tokenizer


class Service:
    """Answers for one model, and tells how it does.

    `options` is what it was loaded with; `given` passes replies on where there are ranks.
    """

    def __init__(
        self,
        options: Options,
        tokenizer: Tokenizer,
        loop: RollingBatch,
        engine: Supervisor,
        given: Given | None = None,
        metrics: Metrics | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.given = given
        self._metrics = metrics
        self._tracing = tracing or Tracing()
        self.options = options
        self.tokenizer = tokenizer
        self._loop = loop
        self._engine = engine
        self._watchdog = Watchdog(options.stall_timeout, lambda: loop.beats)
        if metrics is not None:
            metrics.begin()

    @property
    def active(self) -> int:
        """Requests that DJL lists in its next step."""
        return self._loop.active

    @property
    def lost(self) -> str:
        """Why the worker can only be replaced: the engine is gone for good, and its clients were told. Else empty."""
        return (self._engine.lost or "the engine is gone for good") if self._loop.over else ""

    @property
    def limits(self) -> Limits:
        """The limits in force."""
        return self._engine.limits

    def step(self, step: Step) -> Replies:
        """Answer one step of the rolling batch."""
        return self._loop.step(step)

    def answer(self, arrivals: Sequence[Arrival]) -> list[Answer]:
        """Answer requests whole."""
        return answer(self._loop, arrivals)

    def reset(self) -> None:
        """Forget every request, after a step that could not be answered."""
        self._loop.reset()

    def stop(self) -> None:
        """Tell every request that the server ends, and the engine to let go of it; from any thread."""
        self._loop.stop(Stopping("The server is stopping; send the request again."))

    def close(self) -> None:
        """Void what runs and end the engine."""
        self._watchdog.close()
        self._loop.close()
        if self._metrics is not None:
            self._metrics.close()
        self._tracing.close()
        self._engine.close()
