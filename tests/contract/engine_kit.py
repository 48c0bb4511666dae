"""What suites over engines share: how an engine is made, and one that is open with its news."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

from djl_trtllm.core import EngineRequest, FinishReason, SamplingParams
from djl_trtllm.engines.base import Engine
from tests.support.collector import Collector


@dataclass
class Harness:
    """How to make an engine that is not open yet. `make(eos)` sets its one end token.

    Limits: a vocabulary of at least 400 ids of which those from 300 on are ordinary tokens, a context of at
    least 600 tokens, and room in the KV cache for `kv_tokens`. `decode` makes text of tokens, where the engine has a
    tokenizer; then what it binds to a guide is read.
    """

    make: Callable[[int | None], Engine]
    kv_tokens: int
    decode: Callable[[Sequence[int]], str] | None = None


@dataclass
class Subject:
    """An open engine with its news."""

    engine: Engine
    news: Collector = field(default_factory=Collector)
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def request(self, prompt: Sequence[int], **sampling: object) -> EngineRequest:
        values = {"max_new_tokens": 8, "ignore_eos": True, **sampling}
        return EngineRequest(next(self.ids), prompt, SamplingParams(**values))  # type: ignore[arg-type]

    def run(self, *requests: EngineRequest) -> list[tuple[list[int], FinishReason | None]]:
        self.engine.submit(requests)
        self.news.wait_ended(request.id for request in requests)
        return [self.news.outcome(request) for request in requests]


def prompts(number: int, longest: int = 40) -> list[list[int]]:
    """Prompts of mixed lengths, the same at every call."""
    chance = random.Random(number)
    return [[chance.randrange(300, 400) for _ in range(chance.randint(1, longest))] for _ in range(number)]
