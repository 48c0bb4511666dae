"""An inbox that keeps everything and holds engines to the rules of the seam."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence

from djl_trtllm.core import Alternatives, EngineRequest, FinishReason, TokenChunk
from djl_trtllm.errors import DjlTrtllmError

TIMEOUT = 60.0
"""Seconds that anything here waits: far more than it takes, so a loaded machine fails nothing."""


class Collector:
    """Keeps chunks by id. `violations` are sentences; a test that ends with any has failed (`check`)."""

    def __init__(self) -> None:
        self._news = threading.Condition()
        self._chunks: dict[int, list[TokenChunk]] = {}
        self._endings: dict[int, TokenChunk] = {}
        self.deaths: list[DjlTrtllmError] = []
        self.violations: list[str] = []

    def put(self, chunks: Sequence[TokenChunk]) -> None:
        with self._news:
            if self.deaths and any(chunk.tokens or chunk.error is None for chunk in chunks):
                self.violations.append("something else than refusals came after the death")
            for chunk in chunks:
                self._take(chunk)
            self._news.notify_all()

    def dead(self, error: DjlTrtllmError) -> None:
        with self._news:
            if self.deaths:
                self.violations.append("the death was told twice")
            self.deaths.append(error)
            self._news.notify_all()

    def _take(self, chunk: TokenChunk) -> None:
        if chunk.id in self._endings:
            self.violations.append(f"{chunk.id} got {chunk} after its ending")
        if chunk.finish is not None and chunk.error is not None:
            self.violations.append(f"{chunk.id} got a finish and an error")
        if chunk.logprobs is not None and len(chunk.logprobs) != len(chunk.tokens):
            self.violations.append(
                f"{chunk.id} got {len(chunk.tokens)} tokens, {len(chunk.logprobs)} logprobs"
            )
        if chunk.tops is not None and len(chunk.tops) != len(chunk.tokens):
            self.violations.append(f"{chunk.id} got {len(chunk.tokens)} tokens, {len(chunk.tops)} tops")
        if chunk.prompt_logprobs is not None and chunk.id in self._chunks:
            self.violations.append(f"{chunk.id} got its prompt's logprobs after its first chunk")
        self._chunks.setdefault(chunk.id, []).append(chunk)
        if chunk.finish is not None or chunk.error is not None:
            self._endings[chunk.id] = chunk

    def check(self) -> None:
        assert not self.violations, self.violations

    def wait(self, done: Callable[[], bool], what: str) -> None:
        with self._news:
            assert self._news.wait_for(done, TIMEOUT), f"waited {TIMEOUT:.0f} s for {what}"

    def wait_ended(self, ids: Iterable[int]) -> None:
        wanted = set(ids)
        self.wait(lambda: wanted <= self._endings.keys(), f"the endings of {sorted(wanted)}")

    def wait_tokens(self, id_: int, count: int) -> None:
        self.wait(lambda: len(self.tokens(id_)) >= count or id_ in self._endings, f"{count} tokens of {id_}")

    def wait_dead(self) -> None:
        self.wait(lambda: bool(self.deaths), "the death")

    def ended(self, id_: int) -> bool:
        return id_ in self._endings

    def tokens(self, id_: int) -> list[int]:
        return [token for chunk in self._chunks.get(id_, ()) for token in chunk.tokens]

    def logprobs(self, id_: int) -> list[float]:
        return [value for chunk in self._chunks.get(id_, ()) for value in chunk.logprobs or ()]

    def tops(self, id_: int) -> list[Alternatives]:
        return [one for chunk in self._chunks.get(id_, ()) for one in chunk.tops or ()]

    def prompt_logprobs(self, id_: int) -> Sequence[float | None] | None:
        return self._chunks[id_][0].prompt_logprobs

    def finish(self, id_: int) -> FinishReason | None:
        return self._endings[id_].finish

    def error(self, id_: int) -> DjlTrtllmError | None:
        return self._endings[id_].error

    def chunks(self, id_: int) -> int:
        return len(self._chunks.get(id_, ()))

    def outcome(self, request: EngineRequest) -> tuple[list[int], FinishReason | None]:
        return self.tokens(request.id), self.finish(request.id)


def eventually(condition: Callable[[], bool], what: str) -> None:
    """Wait for something that tells nobody when it happens."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline, f"waited {TIMEOUT:.0f} s for {what}"
        time.sleep(0.01)
