"""What the engine needs of a batch manager of the library; there is one for 0.8 and one for later releases."""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import dataclass
from typing import Any, Protocol

from djl_trtllm.core import EngineRequest, Features, Limits, TokenChunk
from djl_trtllm.engines.trtllm.executor_stats import Load
from djl_trtllm.engines.trtllm.flight import Flight
from djl_trtllm.engines.trtllm.sequences import Ends, Sequence


@dataclass(frozen=True, slots=True)
class Opened:
    """An open batch manager: what it takes, and the end tokens of its model."""

    limits: Limits
    features: Features
    ends: Ends


class Manager(Protocol):
    """Runs sequences and puts their chunks into a flight. `enqueue` and `cancel` are called with its lock held."""

    def open(self, flight: Flight) -> Opened:
        """Open, and block until it has run a request. Raises `LoadError`, with nothing left behind."""
        ...

    def prepare(self, request: EngineRequest) -> Any:
        """Make what `enqueue` takes; may raise for values that cannot be passed."""
        ...

    def enqueue(self, sequences: Items[Sequence], prepared: Items[Any]) -> list[TokenChunk]:
        """Take sequences and register them in the flight; return the endings of those that were not taken."""
        ...

    def cancel(self, handles: Items[int]) -> None:
        """Have sequences stopped whose clients have had their endings."""
        ...

    def load(self) -> Load:
        """Return a recent snapshot of the load."""
        ...

    def close(self) -> None:
        """Free everything in a bounded time; the other ranks are dismissed unless the flight broke."""
        ...
