"""`RequestOutput`: what `generate_async` gives, one object that grows while it is waited for."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours.jobs import End, Job, Lane, Strand
from tests.contract.tensorrt_llm_stand_in.behaviours.llm_sampling import implied_greedy
from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour
from tests.contract.tensorrt_llm_stand_in.behaviours.tokens import tops

FILTERS = ("top_k", "top_p", "temperature")
REASONS = {
    End.END_ID: "stop",
    End.STOP_WORDS: "stop",
    End.LENGTH: "length",
    End.CANCELLED: "cancelled",
}


class RequestError(RuntimeError):
    """A request that failed, raised where its output is waited for."""


@dataclass(frozen=True, slots=True)
class Logprob:
    """One entry of a position's dictionary by token id."""

    logprob: float
    rank: int | None = None


@dataclass(slots=True)
class Part:
    """What one step gave: per output its tokens, log-probabilities and ending."""

    outputs: dict[int, tuple[list[int], list[float], End, Any]] = field(default_factory=dict)
    final: bool = False
    error: str | None = None


def part(job: Job, strand: Strand, *, final: bool, last: bool) -> Part:
    """Return the news of a sequence; marks its tokens as told."""
    made = Part(final=last)
    for beam, lane in enumerate(strand.lanes):
        index = strand.index if job.beam_width == 1 else beam
        fresh = [] if lane.end is End.CANCELLED else lane.tokens[lane.told :]
        probs = lane.log_probs[lane.told :][: len(fresh)]
        made.outputs[index] = (fresh, probs, lane.end if final else End.NOT_FINISHED, _stopped(lane))
        lane.told = len(lane.tokens)
    return made


def _stopped(lane: Lane) -> Any:
    return lane.stop_word[0] if len(lane.stop_word) == 1 else None


@behaviour("tensorrt_llm.llmapi.CompletionOutput")
class CompletionOutput:
    """One sequence, with what came since it was last looked at."""

    def __init__(self, context: Context, *, index: int = 0, logprobs: Any = None, **_: Any) -> None:
        self.index = index
        self.text = ""
        self._tokens: list[int] = []
        self._logprobs: list[Any] = [] if logprobs is None else logprobs
        self._finish_reason: str | None = None
        self._stop_reason: Any = None
        self._before = 0

    token_ids = property(lambda self: self._tokens)
    logprobs = property(lambda self: self._logprobs)
    finish_reason = property(lambda self: self._finish_reason)
    stop_reason = property(lambda self: self._stop_reason)
    length = property(lambda self: len(self._tokens))
    text_diff = property(lambda self: "")
    token_ids_diff = property(lambda self: self._tokens[self._before :])
    logprobs_diff = property(lambda self: self._logprobs[self._before :])

    def take(
        self,
        news: tuple[list[int], list[float], End, Any],
        *,
        probs: Callable[[int, int, float], dict[int, Logprob]] | None,
        keep_stop: bool,
    ) -> None:
        """Grow by the news; a stop word goes again unless it is kept. `probs` makes the entry of a token."""
        fresh, values, end, stopped = news
        self._before = len(self._tokens)
        self._tokens.extend(fresh)
        if probs is not None:
            at = enumerate(zip(fresh, values, strict=True), self._before)
            self._logprobs.extend(probs(number, token, value) for number, (token, value) in at)
        self._finish_reason = REASONS.get(end)
        if end is End.STOP_WORDS:
            self._stop_reason = stopped
            if not keep_stop and stopped is not None:
                self._tokens = self._tokens[:-1]


@behaviour("tensorrt_llm.llmapi.RequestOutput")
class RequestOutput:
    """Awaited, iterated (async where a loop ran when it was made), or waited for with `result`."""

    def __init__(
        self,
        context: Context,
        *,
        job: Job,
        params: Any,
        outputs: list[Any],
        grow: list[CompletionOutput],
        abort: Callable[[], None],
        tops: int = 0,
        vocab_size: int = 0,
    ) -> None:
        self._shell = context.shell
        self._job, self._params = job, params
        self._outputs, self._grow = outputs, grow
        self._abort = abort
        self._tops, self._vocab_size = tops, vocab_size
        self._done = False
        self._aborted = False
        self._sync: queue.Queue[Part] = queue.Queue()
        self._loop: asyncio.AbstractEventLoop | None
        try:
            self._loop = asyncio.get_running_loop()
            self._async: asyncio.Queue[Part] = asyncio.Queue()
        except RuntimeError:
            self._loop = None

    request_id = property(lambda self: self._job.id)
    id = property(lambda self: self._job.id)
    prompt = property(lambda self: None)
    prompt_token_ids = property(lambda self: list(self._job.prompt))
    outputs = property(lambda self: self._outputs)
    context_logits = property(lambda self: None)
    finished = property(lambda self: self._done)
    sampling_params = property(lambda self: self._params)

    def put(self, news: Part) -> None:
        """Deliver from the thread that steps."""
        if self._loop is None:
            self._sync.put(news)
        elif not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._async.put_nowait, news)

    def abort(self) -> None:
        if not self._aborted and not self._done:
            self._aborted = True
            self._abort()

    def aborted(self) -> bool:
        return self._aborted

    def result(self, *, timeout: float | None = None) -> Any:
        while not self._done:
            self._take(self._next(timeout))
        return self._shell

    def _next(self, timeout: float | None = None) -> Part:
        if self._loop is not None:
            raise RuntimeError("result() would block the event loop that this request belongs to: await it")
        return self._sync.get(timeout=timeout)

    async def aresult(self) -> Any:
        while not self._done:
            self._take(await self._anext())
        return self._shell

    def __await__(self) -> Generator[Any, None, Any]:
        return self.aresult().__await__()

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._shell  # type: ignore[no-any-return]

    async def __anext__(self) -> Any:
        if self._done:
            raise StopAsyncIteration
        self._take(await self._anext())
        return self._shell

    def __iter__(self) -> Iterator[Any]:
        return self._shell  # type: ignore[no-any-return]

    def __next__(self) -> Any:
        if self._done:
            raise StopIteration
        self._take(self._next())
        return self._shell

    async def _anext(self) -> Part:
        if self._loop is None:
            raise AssertionError(
                "The asyncio event loop was not present during initialization, so async operations are not available."
            )
        if asyncio.get_running_loop() is not self._loop:
            raise RuntimeError("this request belongs to another event loop")
        return await self._async.get()

    def _take(self, news: Part) -> None:
        self._done = news.final
        if news.error is not None:
            self._done = True
            raise RequestError(news.error)
        for index, output in news.outputs.items():
            self._grow[index].take(
                output,
                probs=None if self._params.logprobs is None else self._entry,
                keep_stop=self._params.include_stop_str_in_output,
            )

    def _entry(self, position: int, token: int, value: float) -> dict[int, Logprob]:
        """Return what is told of a position: the sampled token, and where they were asked for the likeliest ones.

        In no order. What is drawn is sometimes none of the likeliest, and comes besides them. What a guide forbids has
        no probability at all.
        """
        if self._tops <= 1:
            return {token: Logprob(value, 1)}
        drawn = not implied_greedy({name: getattr(self._params, name) for name in FILTERS})
        best = not (drawn and position % 3 == 2)
        found = tops(token, value, self._tops, self._vocab_size, best=best)
        if self._job.answer is not None:
            found = {t: v if t == token else float("-inf") for t, v in found.items()}
        ranked = sorted(found, key=lambda one: -found[one])
        return {one: Logprob(found[one], ranked.index(one) + 1) for one in sorted(found)}
