"""What an executor tells about its iterations: its load, the size of its KV cache, and that it still moves."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)

_EVERY = 0.05
_FIRST = 1.0
"""Seconds in which the statistics of the first request are there, if ever."""


@dataclass(frozen=True, slots=True)
class Load:
    """Sequences that run, how full the KV cache is, and how much of prompts was found in it, as in `EngineStats`."""

    running: int = 0
    kv_used_percent: float = 0.0
    kv_blocks: int | None = None
    prefix_queries: int | None = None
    prefix_hits: int | None = None


def usable_tokens(blocks: int, tokens_per_block: int, beams: int) -> int:
    """Return how many tokens of a KV cache one request may count on.

    A scheduler that fills the cache looks ahead, and a request that needs the last block would be paused and begun
    again for ever: one block for each beam is kept free of promises.
    """
    return max(blocks - beams, 1) * tokens_per_block


class ExecutorStats:
    """The newest iteration statistics. `kv_tokens` is what a request may use, None until it is known."""

    def __init__(self, beams: int = 1) -> None:
        self._beams = beams
        self.load = Load()
        self.kv_tokens: int | None = None
        self._next = 0.0
        self._off = False

    def wait(self, executor: Any) -> None:
        """Wait for the statistics of the requests that have run."""
        deadline = time.monotonic() + _FIRST
        while self.kv_tokens is None and not self._off and time.monotonic() < deadline:
            self._next = 0.0
            self.look(executor)
            if self.kv_tokens is None:
                time.sleep(0.01)

    def look(self, executor: Any) -> bool:
        """Take the newest statistics if it is time for that; whether any sequence was computed since the last look."""
        now = time.monotonic()
        if self._off or now < self._next:
            return False
        self._next = now + _EVERY
        try:
            iterations = executor.get_latest_iteration_stats()
        except Exception as error:
            # Whatever it is, awaiting responses will say so too if it matters.
            logger.warning("There are no iteration statistics (%s).", type(error).__name__)
            self._off = True
            return False
        if not iterations:
            return False
        newest = iterations[-1]
        self.load = self._load(newest.num_active_requests, newest.kv_cache_stats)
        batch = newest.inflight_batching_stats
        return batch is None or batch.num_scheduled_requests > 0

    def _load(self, running: int, stats: Any) -> Load:
        if stats is None or stats.max_num_blocks <= 0:
            return Load(running)
        blocks, size = stats.max_num_blocks, stats.tokens_per_block
        self.kv_tokens = usable_tokens(blocks, size, self._beams)
        # Before 0.15 it tells how many blocks of prompts were found, and not how many were looked for.
        missed, hits = getattr(stats, "missed_blocks", None), getattr(stats, "reused_blocks", None)
        queries = None if missed is None or hits is None else (missed + hits) * size
        return Load(
            running,
            float(100 * stats.used_num_blocks / blocks),
            blocks,
            queries,
            None if queries is None else hits * size,
        )
