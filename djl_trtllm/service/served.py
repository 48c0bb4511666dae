"""A loaded model and the loop around it, on the rank that DJL talks to."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.engines.supervisor import Supervisor
from djl_trtllm.options.table import Options
from djl_trtllm.ranks.replies import Given
from djl_trtllm.rolling_batch.admit import Arrival
from djl_trtllm.rolling_batch.loop import RollingBatch, Step
from djl_trtllm.rolling_batch.slot import Replies
from djl_trtllm.rolling_batch.whole import Answer, answer
from djl_trtllm.text.tokenizer import Tokenizer


class Service:
    """Answers for one model. `options` is what it was loaded with; `given` passes replies on where there are ranks."""

    def __init__(
        self,
        options: Options,
        tokenizer: Tokenizer,
        loop: RollingBatch,
        engine: Supervisor,
        given: Given | None = None,
    ) -> None:
        self.given = given
        self.options = options
        self.tokenizer = tokenizer
        self._loop = loop
        self._engine = engine

    @property
    def active(self) -> int:
        """Requests that DJL lists in its next step."""
        return self._loop.active

    @property
    def lost(self) -> bool:
        """True once the engine is gone for good and its clients were told: the worker can only be replaced."""
        return self._loop.over

    def step(self, step: Step) -> Replies:
        """Answer one step of the rolling batch."""
        return self._loop.step(step)

    def answer(self, arrivals: Sequence[Arrival]) -> list[Answer]:
        """Answer requests whole."""
        return answer(self._loop, arrivals)

    def reset(self) -> None:
        """Forget every request, after a step that could not be answered."""
        self._loop.reset()

    def limits_line(self) -> str:
        """The limits in force and what set each, for the log."""
        limits = self._engine.limits
        named = {
            "input": limits.max_input_len,
            "output": limits.max_output_len,
            "context": limits.max_sequence_len,
            "KV cache": limits.kv_cache_tokens,
        }
        parts = [f"{name} {limit.value} tokens ({limit.source})" for name, limit in named.items()]
        return ", ".join([*parts, f"batch {limits.max_batch_size.value} ({limits.max_batch_size.source})"])

    def close(self) -> None:
        """Void what runs and end the engine."""
        self._loop.close()
        self._engine.close()
