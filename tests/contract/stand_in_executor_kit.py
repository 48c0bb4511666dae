"""What tests of the stand-in's executor share: one that is open, and short ways to ask it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.contract.tensorrt_llm_stand_in import installed, write_engine

SECOND = datetime.timedelta(seconds=1)
SHORT = datetime.timedelta(milliseconds=20)


@dataclass
class Answer:
    """All that came for one request: each response, the tokens of each, the last result or the error."""

    responses: list[Any] = field(default_factory=list)

    @property
    def error(self) -> str | None:
        last = self.responses[-1]
        return last.error_msg if last.has_error() else None

    @property
    def last(self) -> Any:
        return self.responses[-1].result

    @property
    def pieces(self) -> list[list[list[int]]]:
        return [response.result.output_token_ids for response in self.responses if not response.has_error()]

    def tokens(self, beam: int = 0) -> list[int]:
        return [token for piece in self.pieces for token in piece[beam]]


@dataclass
class Subject:
    """An executor of one row."""

    row: str
    module: Any
    executor: Any

    def request(self, prompt: list[int], count: int = 8, **values: Any) -> Any:
        """A request; `sampling` and `output` are keywords of the two configs, names as of the newest version."""
        names = {"max_tokens": "max_new_tokens"} if self.row in OLD_NAMES else {}
        old = {"seed": "random_seed", "min_tokens": "min_length"} if self.row in OLD_NAMES else {}
        sampling = {old.get(name, name): value for name, value in values.pop("sampling", {}).items()}
        output = {"exclude_input_from_output": True, **values.pop("output", {})}
        return self.module.Request(
            prompt,
            **{names.get("max_tokens", "max_tokens"): count},
            sampling_config=self.module.SamplingConfig(**sampling),
            output_config=self.module.OutputConfig(**output),
            **{"streaming": True, **values},
        )

    def enqueue(self, *requests: Any) -> list[int]:
        return list(self.executor.enqueue_requests(requests=list(requests)))

    def collect(self, ids: list[int]) -> list[Answer]:
        """Wait for the endings of some requests."""
        answers = {request_id: Answer() for request_id in ids}
        left = set(ids)
        while left:
            arrived = self.executor.await_responses(timeout=5 * SECOND)
            assert arrived, f"nothing came for {left}"
            for response in arrived:
                answers[response.request_id].responses.append(response)
                if response.has_error() or response.result.is_final:
                    left.discard(response.request_id)
        return [answers[request_id] for request_id in ids]

    def run(self, *requests: Any) -> list[Answer]:
        return self.collect(self.enqueue(*requests))


OLD_NAMES = ("0.9.0", "0.10.0", "0.11.0", "0.12.0", "0.12a~", "0.12b~")


@contextmanager
def opened(
    row: str,
    path: Path,
    *,
    config: dict[str, Any] | None = None,
    kv: dict[str, Any] | None = None,
    policy: str | None = None,
    knobs: dict[str, Any] | None = None,
    **engine: Any,
) -> Iterator[Subject]:
    """An executor over an engine of its own; keywords are those of `write_engine`."""
    directory = write_engine(path / row, row, **engine)
    with installed(row, **(knobs or {})):
        from tensorrt_llm.bindings import executor as module

        values = dict(config or {})
        if kv:
            values["kv_cache_config"] = module.KvCacheConfig(**kv)
        if policy:
            member = getattr(module.CapacitySchedulerPolicy, policy)
            values["scheduler_config"] = module.SchedulerConfig(capacity_scheduler_policy=member)
        executor = module.Executor(
            model_path=directory,
            model_type=module.ModelType.DECODER_ONLY,
            executor_config=module.ExecutorConfig(**values),
        )
        try:
            yield Subject(row, module, executor)
        finally:
            executor.shutdown()
