"""The batch manager of TensorRT-LLM 0.9 to 1.2: `bindings.executor.Executor`, leading all ranks from rank 0."""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Sequence as Items
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from djl_trtllm.core import CompiledModel, EngineRequest, SamplingParams, Team, TokenChunk
from djl_trtllm.engines.guides import GuideChecker
from djl_trtllm.engines.guides.vocabulary import Vocabulary
from djl_trtllm.engines.trtllm import answers, guided, load_errors, openings
from djl_trtllm.engines.trtllm.executor_config import executor_config
from djl_trtllm.engines.trtllm.executor_stats import ExecutorStats, Load
from djl_trtllm.engines.trtllm.flight import Flight, broke
from djl_trtllm.engines.trtllm.gpus import devices
from djl_trtllm.engines.trtllm.limits import limits
from djl_trtllm.engines.trtllm.manager import Opened
from djl_trtllm.engines.trtllm.openings import Opening
from djl_trtllm.engines.trtllm.requests import RequestMaker
from djl_trtllm.engines.trtllm.responses import Reader, refused
from djl_trtllm.engines.trtllm.sequences import Ends, Sequence
from djl_trtllm.engines.trtllm.verdicts import Verdicts
from djl_trtllm.errors import LoadError

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

logger = logging.getLogger(__name__)

WAIT = datetime.timedelta(milliseconds=50)
"""How long one look for responses lasts; they end it at once. Without a timeout it would never end."""

_SHUTDOWN_SECONDS = 10.0


def construct(model: CompiledModel, opening: Opening, team: Team, tokens: Vocabulary | None = None) -> Any:
    """Open this rank's engine. Blocks until it is loaded and its KV cache allocated. Raises `LoadError`.

    `tokens` are those for guides: rank 0's, on every rank.
    """
    import tensorrt_llm.bindings.executor as bindings

    try:
        return bindings.Executor(
            model_path=model.path,
            model_type=bindings.ModelType.DECODER_ONLY,
            executor_config=executor_config(bindings, opening.places, team, len(devices()), tokens),
        )
    except Exception as error:
        raise load_errors.load_error(error, model.origin) from error


class ExecutorManager:
    """A `Manager`: opens the executor, gives it requests, and reads its responses in one thread."""

    def __init__(
        self,
        model: CompiledModel,
        options: Options,
        team: Team,
        ends: Ends,
        guides: GuideChecker,
        *,
        again: bool,
    ) -> None:
        self._model = model
        self._guides = guides
        self._tokens: Vocabulary | None = None
        self._options = options
        self._team = team
        self._ends = ends
        self._again = again
        self._flight = Flight()
        self._executor: Any = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def open(self, flight: Flight) -> Opened:
        """Open on all ranks, run a request, and tell what it can do. Raises `LoadError`."""
        self._flight = flight
        openings.lead(self._team, self._options, self._construct, self.close, again=self._again)
        import tensorrt_llm.bindings.executor as bindings

        facts, places = self._opening.facts, self._opening.places
        width = places.get("ExecutorConfig", {}).get("max_beam_width", 1)
        self._maker = RequestMaker(bindings, self._ends, facts.vocab_size, facts.logits_dtype)
        self._reader = Reader(bindings, flight)
        self._stats = ExecutorStats(width)
        self._verdicts = Verdicts(flight, self._ask)
        sampling = SamplingParams(max_new_tokens=1, num_beams=width, ignore_eos=True)
        self._sound = self._maker.make(EngineRequest(0, [max(self._ends.first, 0)], sampling))
        self._warm_up()
        self._stats.wait(self._executor)
        found = limits(
            facts, self._model, self._options, places, self._opening.release, self._stats.kv_tokens
        )
        self._thread = threading.Thread(target=self._await, name="trtllm-responses", daemon=True)
        self._thread.start()
        features = answers.of_executor(
            self._opening.release, width, min_p=self._maker.min_p, guided=self._tokens is not None
        )
        return Opened(found, features, self._ends)

    def prepare(self, request: EngineRequest) -> Any:
        """Make the library's request."""
        return self._maker.make(request)

    def enqueue(self, sequences: Items[Sequence], prepared: Items[Any]) -> list[TokenChunk]:
        """Enqueue and register; the caller holds the flight's lock. Returns the endings of those not taken."""
        try:
            handles = self._executor.enqueue_requests(requests=list(prepared))
        except Exception as error:
            logger.error("Requests could not be enqueued together: %s", load_errors.one_line(error))
            return self._one_by_one(sequences, prepared)
        self._flight.add(dict(zip(handles, sequences, strict=True)))
        return []

    def cancel(self, handles: Items[int]) -> None:
        """Stop sequences; their last responses are still awaited."""
        for handle in handles:
            # A broken executor says so to the thread that awaits; nobody is to be told here.
            with suppress(Exception):
                self._executor.cancel_request(id=handle)

    def load(self) -> Load:
        """Return the load as the last iterations told it."""
        return self._stats.load

    def close(self) -> None:
        """Shut the executor down, on all ranks, in a bounded time: a broken one may hang."""
        self._stopping.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(20 * WAIT.total_seconds())
        executor, self._executor = self._executor, None
        if executor is not None:
            openings.bounded(executor.shutdown, _SHUTDOWN_SECONDS, "shutdown of the executor")
        if self._thread is not None and not self._flight.broken:
            openings.dismiss(self._team)

    def _construct(self) -> None:
        self._opening = Opening.of(self._model, self._options, self._team)
        self._tokens = shared_tokens(self._team, self._tokens_for_guides())
        if self._tokens is not None:
            self._guides.start(self._tokens)
        try:
            self._executor = construct(self._model, self._opening, self._team, self._tokens)
        except LoadError as error:
            if self._tokens is None or not load_errors.of_guides(str(error)):
                raise
            if self._team.size > 1:  # the others may have come further
                raise LoadError(*error.problems, "Set option.guided_decoding=off.") from error
            logger.warning("TensorRT-LLM cannot bind answers to guides here, and serves without: %s", error)
            self._tokens = None
            self._executor = construct(self._model, self._opening, self._team)

    def _tokens_for_guides(self) -> Vocabulary | None:
        facts, places = self._opening.facts, self._opening.places
        beams = places.get("ExecutorConfig", {}).get("max_beam_width", 1)
        if beams > 1 or not answers.may_guide(self._opening.release):
            return None
        return guided.tokens(self._model, self._options, self._ends, facts.vocab_size)

    def _warm_up(self) -> None:
        """Run one short request: memory and kernels that are only made then are found wanting now."""
        seconds = self._options.rank_timeout
        try:
            self._run_one(seconds)
        except Exception as error:
            self.close()
            raise load_errors.load_error(error, self._model.origin) from error

    def _run_one(self, seconds: float) -> None:
        handle = self._ask()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._team.check()
            for response in self._executor.await_responses(timeout=WAIT):
                if response.request_id == handle and response.has_error():
                    raise RuntimeError(f"the first request failed: {response.error_msg}")
                if response.request_id == handle and _last(response):
                    return
        raise LoadError(f"The engine gave no token within {seconds} s (option rank_timeout).")

    def _ask(self) -> int:
        """Enqueue a request that nothing is wrong with."""
        return int(self._executor.enqueue_request(request=self._sound))

    def _one_by_one(self, sequences: Items[Sequence], prepared: Items[Any]) -> list[TokenChunk]:
        """Find out which of some requests the executor does not take, or that it takes none any more."""
        tried = [
            (sequence, self._tried(sequence, request))
            for sequence, request in zip(sequences, prepared, strict=True)
        ]
        failed = [(sequence, error) for sequence, error in tried if error is not None]
        if len(failed) == len(sequences):
            try:
                self._ask()
            except Exception as error:
                self._flight.breaks(f"it takes no requests any more ({load_errors.one_line(error)})")
                return [sequence.failed(broke()) for sequence, _ in failed]
        return [sequence.failed(refused(load_errors.one_line(error))) for sequence, error in failed]

    def _tried(self, sequence: Sequence, request: Any) -> Exception | None:
        try:
            self._flight.add({self._executor.enqueue_request(request=request): sequence})
        except Exception as error:
            return error
        return None

    def _await(self) -> None:
        """Take responses until the end. The one thread that does."""
        executor = self._executor
        try:
            while not self._stopping.is_set():
                responses = executor.await_responses(timeout=WAIT)
                if responses:
                    self._deliver(responses)
                if self._stats.look(executor):
                    self._flight.heard = time.monotonic()
                self._verdicts.look()
        except BaseException as error:
            if not self._stopping.is_set():
                self._flight.breaks(f"no responses can be awaited ({load_errors.one_line(error)})")

    def _deliver(self, responses: Items[Any]) -> None:
        flight = self._flight
        with flight.lock:
            flight.heard = time.monotonic()
            flight.put(self._reader.read(responses))
            if self._reader.stop:
                self.cancel(self._reader.stop)
            if self._reader.failed:
                self._verdicts.judge(self._reader.failed)
            for response in responses if self._verdicts.asked is not None else ():
                if response.request_id == self._verdicts.asked and _last(response):
                    self._verdicts.hear(failed=response.has_error())


def shared_tokens(team: Team, mine: Vocabulary | None) -> Vocabulary | None:
    """Return rank 0's tokens on every rank: only there is the tokenizer sure to be in the form that is read."""
    return cast("Vocabulary | None", team.share(mine))


def _last(response: Any) -> bool:
    return bool(response.has_error() or response.result.is_final)
