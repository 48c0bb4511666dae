"""The `Engine` over TensorRT-LLM's LLM API: requests are coroutines in one event loop, in a thread of its own.

`LLM(...)` computes in worker processes that it starts itself and speaks to them over ZMQ, so this process stays free
to tokenise and answer (1.0 and later). `generate_async` wants a running event loop where it is called, or its results
cannot be awaited.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from djl_trtllm.core import Alternatives, EngineRequest, EngineStats, Guide, Inbox, Limits, TokenChunk
from djl_trtllm.engines.admission import unenforced
from djl_trtllm.engines.base import EngineClosedError
from djl_trtllm.engines.guides import GuideChecker
from djl_trtllm.engines.trtllm import llm_logprobs
from djl_trtllm.engines.trtllm.admission import refusal
from djl_trtllm.engines.trtllm.flight import Flight, broke
from djl_trtllm.engines.trtllm.guided import effective
from djl_trtllm.engines.trtllm.llm_model import LlmModel, without_guides
from djl_trtllm.engines.trtllm.llm_open import close_llm, open_llm
from djl_trtllm.engines.trtllm.llm_sampling import guide_values, sampling_values
from djl_trtllm.engines.trtllm.load_errors import of_guides, one_line
from djl_trtllm.engines.trtllm.sequences import Reason
from djl_trtllm.engines.trtllm.sequences import Sequence as Running
from djl_trtllm.errors import DjlTrtllmError, GenerationFailed, InvalidRequest, LoadError
from djl_trtllm.telemetry.logs import describe

logger = logging.getLogger(__name__)

_REASONS = {"stop": Reason.END, "length": Reason.LENGTH, "timeout": Reason.LOST, "cancelled": Reason.LOST}
_REFUSALS = (ValueError, TypeError, NotImplementedError, AssertionError)
"""What `generate_async` raises for a request that it does not take. RuntimeError means that it takes none any more."""

_REQUEST_ERROR = "RequestError"
"""The class of what an answer raises when its request failed. Any other (CppExecutorError) is not the request's own."""

_GUIDE_ERROR = "guided decoding error"
"""How the message begins of a request that failed alone because of its guide (1.2 and later, pull request 9078)."""

_GRACE = 5.0

PROBE_SECONDS = 60.0
"""Seconds that one token may take while it is not clear whether the engine is sound."""


@dataclass(frozen=True, slots=True)
class _News:
    """What one answer of the library says of a sequence; `end` is why it is the last one."""

    running: Running
    tokens: Sequence[int]
    logprobs: Sequence[float] | None = None
    end: Reason | DjlTrtllmError | None = None
    tops: Sequence[Alternatives] | None = None

    def chunk(self) -> TokenChunk | None:
        """Return the chunk for it; None where there is nothing to say, or the client has had its ending."""
        if self.running.over:
            return None
        if isinstance(self.end, DjlTrtllmError):
            return self.running.failed(self.end)
        if self.end is None:
            return self.running.more(self.tokens, self.logprobs, self.tops)
        return self.running.end(self.tokens, self.logprobs, self.end, self.tops)


class LLMEngine:
    """One `tensorrt_llm.LLM`. Made by the runtime; opened once."""

    def __init__(self, model: LlmModel, guides: GuideChecker) -> None:
        self.features = model.features
        self._model = model
        self._guides = guides
        self._flight = Flight()
        self._llm: Any = None
        self._sampling_params: Any = None
        self._guided_params: Any = None
        self._outputs: dict[int, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()  # held, or they may be collected while they run
        self._news: list[_News] = []
        self._suspects: list[Running] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    @property
    def limits(self) -> Limits:
        """What it can take; known once open."""
        if self._llm is None:
            raise EngineClosedError("The engine is not open.")
        return self._model.limits

    def open(self, inbox: Inbox) -> None:
        """Load the model in the library's workers. Raises `LoadError`."""
        self._flight.begin(inbox)
        began = time.monotonic()
        if self._model.tokens is not None:
            self._guides.start(self._model.tokens)
        try:
            self._llm = self._load()
            from tensorrt_llm import SamplingParams
            from tensorrt_llm.llmapi import GuidedDecodingParams

            self._sampling_params = SamplingParams
            self._guided_params = GuidedDecodingParams
        except BaseException:
            self._flight.close()
            self._guides.close()
            raise
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(self._loop,), name="llm-api", daemon=True)
        self._thread.start()
        self._flight.serve()
        logger.info("the LLM API runs %s: ready in %.1f s", self._model.origin, time.monotonic() - began)

    def _load(self) -> Any:
        try:
            return open_llm(self._model)
        except LoadError as error:
            # Some candidates of 1.0 have no guides with the overlap scheduler (pull request 6000); they say so at once.
            if self._model.tokens is None or not of_guides(str(error)):
                raise
            logger.warning("TensorRT-LLM cannot bind answers to guides here, and serves without: %s", error)
            self._model = without_guides(self._model)
            self.features = self._model.features
            return open_llm(self._model)

    def check(self, guide: Guide) -> None:
        """Refuse what cannot be enforced: before 1.2 it would end the library's loop."""
        error = unenforced(guide, self.features)
        if error is not None:
            raise error
        self._guides.check(guide)

    def submit(self, requests: Sequence[EngineRequest]) -> None:
        """Check the requests and hand those that can run to the event loop in one go."""
        limits, flight = self.limits, self._flight
        chunks: list[TokenChunk] = []
        taken: list[tuple[EngineRequest, Running]] = []
        for request in map(effective, requests):
            error = refusal(request, limits, self.features, single_words=True)
            if error is not None:
                chunks.append(TokenChunk(request.id, error=error))
            else:
                taken.append((request, Running.of(request, self._model.ends)))
        with flight.lock:
            _ = flight.inbox
            flight.check_new([request.id for request in requests])
            if flight.broken:
                chunks += [running.failed(broke()) for _, running in taken]
            elif taken:
                flight.add({running.id: running for _, running in taken})
                self._call(self._start, taken)
            flight.put(chunks)

    def cancel(self, ids: Sequence[int]) -> None:
        """End sequences for their clients now; the library lets go of them within a step or two."""
        with self._flight.lock:
            _ = self._flight.inbox
            handles = self._flight.cancel(ids)
            if handles:
                self._call(self._abort, handles)

    def stats(self) -> EngineStats:
        """Return the load as it follows from what is in flight: the library tells its own only with a delay."""
        with self._flight.lock:
            _ = self._flight.inbox
            live = len(self._flight.live)
        running = min(live, self._model.limits.max_batch_size.value)
        return EngineStats(running, live - running)

    @property
    def progress(self) -> float:
        """When the library last gave an answer: of a part of a prompt it tells nothing."""
        return self._flight.heard

    def halt(self) -> None:
        """Take the library for broken; its workers are its own, and are ended by its shutdown, if at all."""
        self._flight.broken = True

    def close(self) -> None:
        """End everything in flight as cancelled, then the library's workers."""
        closing = self._flight.close()
        self._guides.close()
        if not closing or self._loop is None or self._thread is None:
            return
        with suppress(RuntimeError):  # its loop has ended by itself
            self._call(self._stop)
        self._thread.join(_GRACE)
        close_llm(self._llm, self._model.origin)

    def _call(self, function: Any, *arguments: object) -> None:
        """Have something done in the event loop, soon and in order."""
        assert self._loop is not None  # noqa: S101 - open has made it
        self._loop.call_soon_threadsafe(function, *arguments)

    # What follows runs in the event loop.

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.set_exception_handler(self._on_defect)
        ended = "its event loop ended"
        try:
            loop.run_forever()
        except BaseException as error:
            ended = f"its event loop ended: {describe(error)}"
        finally:
            self._flight.breaks(ended)  # which says nothing where it was closed
            rest = asyncio.all_tasks(loop)
            for task in rest:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
            loop.close()

    def _on_defect(self, _: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """Take what nobody has caught in the event loop for the end of the engine: somebody would wait for ever."""
        error = context.get("exception")
        said = context["message"] if error is None else describe(error)
        self._flight.breaks(f"a defect in its event loop: {said}")

    def _start(self, taken: Sequence[tuple[EngineRequest, Running]]) -> None:
        loop = asyncio.get_running_loop()
        for request, running in taken:
            self._hold(loop.create_task(self._generate(request, running)))

    async def _generate(self, request: EngineRequest, running: Running) -> None:
        """Run one sequence to its end, whatever that is."""
        try:
            if not running.over:
                await self._follow(request, running)
        except Exception as error:
            if type(error).__name__ == _REQUEST_ERROR:
                self._suspect(running, error)
            else:
                self._break(error)
        finally:
            self._outputs.pop(running.id, None)
            with self._flight.lock:
                if running.over:
                    self._flight.handles.pop(running.id, None)

    async def _follow(self, request: EngineRequest, running: Running) -> None:
        try:
            values = sampling_values(request, self._model.ends, self._model.limits.vocab_size.value)
            if request.guide is not None:
                values["guided_decoding"] = self._guided_params(**guide_values(request.guide))
            # Beams change their past until the last step, so there is nothing to stream.
            output = self._ask(request.prompt_ids, values, streaming=running.beams == 1)
        except _REFUSALS as error:
            logger.error("The engine refused request %d: %s", running.id, _said(running, error))
            refused = GenerationFailed("The engine does not take this request.")
            self._tell(_News(running, [], end=refused))
            return
        self._outputs[running.id] = output
        told = 0
        async for step in output:
            best = step.outputs[0]
            ids, told_logprobs = best.token_ids, best.logprobs if running.logprobs else None
            end = _REASONS.get(best.finish_reason, Reason.UNTOLD) if step.finished else None
            logprobs = llm_logprobs.values(told_logprobs, ids, told)
            tops = llm_logprobs.tops(best.logprobs, told, running.tops) if running.tops else None
            self._tell(_News(running, list(ids[told:]), logprobs, end, tops))
            told = max(told, len(ids))
            if step.finished:
                return
        lost = GenerationFailed("The engine ended this request without a word.")
        self._tell(_News(running, [], end=lost))

    def _ask(self, prompt: Sequence[int], values: Mapping[str, Any], *, streaming: bool) -> Any:
        params = self._sampling_params(**values)
        return self._llm.generate_async(inputs=list(prompt), sampling_params=params, streaming=streaming)

    def _suspect(self, running: Running, error: Exception) -> None:
        """Find out whether a failed request failed alone: the library says so only of guides, neither way of others."""
        logger.error("Request %d failed: %s: %s", running.id, type(error).__name__, _said(running, error))
        if running.guided and _GUIDE_ERROR in str(error).lower():
            wrong = InvalidRequest("The engine cannot bind an answer to this guide; make it simpler.")
            self._tell(_News(running, [], end=wrong))
            return
        self._suspects.append(running)
        if len(self._suspects) == 1:
            self._hold(asyncio.get_running_loop().create_task(self._probe()))

    async def _probe(self) -> None:
        """Ask for one token. An engine that has it gets its suspects' endings as their own failures."""
        values: dict[str, Any] = {"max_tokens": 1, "end_id": -1, "detokenize": False}
        if self._model.beams > 1:
            values |= {"use_beam_search": True, "n": self._model.beams, "best_of": self._model.beams}
        try:
            await asyncio.wait_for(self._ask([0], values, streaming=False).aresult(), PROBE_SECONDS)
        except Exception as error:
            self._break(error)
            return
        suspects, self._suspects = self._suspects, []
        for running in suspects:
            failed = GenerationFailed("The engine gave this request up.")
            self._tell(_News(running, [], end=failed))

    def _break(self, error: Exception) -> None:
        self._flush()
        said = "a guide could not be enforced" if of_guides(str(error)) else one_line(error)
        self._flight.breaks(f"{type(error).__name__}: {said}")

    def _hold(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._flight.breaks(f"a request's task failed: {describe(error)}")

    def _tell(self, news: _News) -> None:
        """Keep news until the loop has nothing else to do: what comes in one step goes to the inbox in one call."""
        if not self._news:
            asyncio.get_running_loop().call_soon(self._flush)
        self._news.append(news)

    def _flush(self) -> None:
        told, self._news = self._news, []
        cut: list[int] = []
        with self._flight.lock:
            self._flight.heard = time.monotonic()
            chunks = []
            for news in told:
                chunk = news.chunk()
                if chunk is not None:
                    chunks.append(chunk)
                if not news.running.over:
                    continue
                if chunk is not None and news.end is None:
                    cut.append(chunk.id)
                self._flight.ended(news.running)
                self._flight.handles.pop(news.running.id, None)
            self._flight.put(chunks)
        self._abort(cut)

    def _abort(self, ids: Sequence[int]) -> None:
        outputs = [self._outputs[i] for i in ids if i in self._outputs]
        try:
            for output in outputs:
                output.abort()
        except Exception as error:
            # Only workers that are gone cannot be told; then the next answer says so too.
            logger.warning("Requests could not be aborted: %s: %s", type(error).__name__, one_line(error))

    def _stop(self) -> None:
        if not self._flight.broken:
            self._abort(list(self._outputs))
        asyncio.get_running_loop().stop()


def _said(running: Running, error: Exception) -> str:
    """Return what an error says, for the log: what it says of a guide quotes the client's."""
    return "see its guide" if running.guided else one_line(error)
