"""The batch manager of TensorRT-LLM 0.8: `bindings.GptManager`, which asks for requests and gives tensors by callbacks.

Its one thread begins in the constructor. An exception in a callback would end the process, so none leaves one.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence as Items
from itertools import count
from typing import TYPE_CHECKING, Any

from djl_trtllm.core import CompiledModel, EngineRequest, SamplingParams, Team, TokenChunk
from djl_trtllm.engines.trtllm import answers, load_errors, openings
from djl_trtllm.engines.trtllm.executor_config import members
from djl_trtllm.engines.trtllm.executor_stats import Load, usable_tokens
from djl_trtllm.engines.trtllm.flight import Flight
from djl_trtllm.engines.trtllm.gpt_link import GptLink
from djl_trtllm.engines.trtllm.gpt_requests import Plain, inference_request, plain
from djl_trtllm.engines.trtllm.gpt_responses import Answer, GptReader
from djl_trtllm.engines.trtllm.limits import limits
from djl_trtllm.engines.trtllm.manager import Opened
from djl_trtllm.engines.trtllm.openings import Opening
from djl_trtllm.engines.trtllm.sequences import Ends, Sequence
from djl_trtllm.engines.trtllm.verdicts import Verdicts
from djl_trtllm.errors import LoadError, RankError

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

logger = logging.getLogger(__name__)

TERMINATE = 0
"""The id of the request that ends the manager's loop; no other request has it."""

_IDLE = 0.05
"""Seconds that the manager's thread sleeps in its callback while there is nothing to do; it would spin otherwise."""

_CLOSE_SECONDS = 10.0
_PARSE_EVERY = 0.05


def construct(
    model: CompiledModel, opening: Opening, fetch: Any, send: Any, stops: Any, statistics: Any
) -> Any:
    """Start this rank's manager with its callbacks. Blocks until the engine is loaded. Raises `LoadError`."""
    import tensorrt_llm.bindings as bindings
    import torch  # noqa: F401 - or the first request would wait for it, inside a callback

    places = opening.places
    try:
        settings = dict(places.get("TrtGptModelOptionalParams", {}))
        params = bindings.TrtGptModelOptionalParams(
            kv_cache_config=bindings.KvCacheConfig(**places.get("KvCacheConfig", {})),
            enable_trt_overlap=settings.pop("enable_trt_overlap", False),
        )
        for name, value in settings.items():
            setattr(params, name, value)
        return bindings.GptManager(
            trt_engine_path=model.path,
            model_type=bindings.TrtGptModelType.InflightFusedBatching,
            **{"max_beam_width": 1, **members(bindings, places.get("GptManager", {}))},
            get_inference_requests_cb=fetch,
            send_response_cb=send,
            poll_stop_signal_cb=stops,
            return_batch_manager_stats_cb=statistics,
            optional_params=params,
            terminate_req_id=TERMINATE,
        )
    except Exception as error:
        raise load_errors.load_error(error, model.origin) from error


class GptManagerManager:
    """A `Manager` over one GptManager; on several ranks it tells the others what to run.

    Several ranks step together only as long as each has done every step before: after a failure on one of them the
    others wait in it, so there is no opening again.
    """

    def __init__(
        self, model: CompiledModel, options: Options, team: Team, ends: Ends, *, again: bool
    ) -> None:
        self._model = model
        self._options = options
        self._team = team
        self._ends = ends
        self._again = again
        self._flight = Flight()
        self._manager: Any = None
        self._handles = count(TERMINATE + 1)
        self._work = threading.Condition()
        self._queue: deque[tuple[int, Plain]] = deque()
        self._running: set[int] = set()
        self._stops: set[int] = set()
        self._closing = False
        self._answers: list[Answer] = []
        self._over = threading.Event()
        self._served = False
        self._first: tuple[int, threading.Event] | None = None
        self._first_error = ""
        self._statistics = ""
        self._load, self._load_at = Load(), 0.0

    def open(self, flight: Flight) -> Opened:
        """Open on all ranks, run a request, and tell what it can do. Raises `LoadError`."""
        if self._again and self._team.size > 1:
            raise RankError(
                "TensorRT-LLM 0.8 on several ranks cannot be opened again in place after a breakage."
            )
        self._flight = flight
        self._reader = GptReader(flight)
        self._verdicts = Verdicts(flight, self._ask)
        openings.lead(self._team, self._options, self._construct, self.close, again=self._again)
        facts, places = self._opening.facts, self._opening.places
        self._width = int(places.get("GptManager", {}).get("max_beam_width", 1))
        self._vocab_size = facts.vocab_size
        self._warm_up()
        found = limits(facts, self._model, self._options, places, self._opening.release, self._kv_tokens())
        self._served = True
        return Opened(found, answers.of_gpt_manager(self._width), self._ends)

    def prepare(self, request: EngineRequest) -> Plain:
        """Return the plain values of a request."""
        return plain(request, self._ends, self._vocab_size, self._opening.facts.logits_dtype)

    def enqueue(self, sequences: Items[Sequence], prepared: Items[Plain]) -> list[TokenChunk]:
        """Put requests where the manager fetches them; the caller holds the flight's lock."""
        handles = [next(self._handles) for _ in sequences]
        self._flight.add(dict(zip(handles, sequences, strict=True)))
        with self._work:
            self._queue.extend(zip(handles, prepared, strict=True))
            self._work.notify_all()
        return []

    def cancel(self, handles: Items[int]) -> None:
        """Stop sequences: those that wait here are dropped, for others the manager is told in its next iteration."""
        with self._work:
            waiting = {handle for handle, _ in self._queue}
            gone = waiting.intersection(handles)
            if gone:
                self._queue = deque(entry for entry in self._queue if entry[0] not in gone)
            self._stops.update(handle for handle in handles if handle not in gone)
        for handle in gone:
            del self._flight.handles[handle]

    def load(self) -> Load:
        """Return the load as the last iteration told it."""
        if time.monotonic() - self._load_at > _PARSE_EVERY and self._statistics:
            told = json.loads(self._statistics)
            blocks, used = told.get("Max KV cache blocks", 0), told.get("Used KV cache blocks", 0)
            percent = 100 * used / blocks if blocks else 0.0
            self._load = Load(told.get("Active Request Count", 0), percent, blocks or None)
            self._load_at = time.monotonic()
        return self._load

    def close(self) -> None:
        """End the manager's loop, on all ranks, in a bounded time."""
        with self._work:
            self._closing = True
            self._work.notify_all()
        manager, self._manager = self._manager, None
        if manager is not None:

            def end() -> None:
                self._over.wait(_CLOSE_SECONDS)
                manager.shutdown()

            openings.bounded(end, _CLOSE_SECONDS, "shutdown of the batch manager")
        if self._served and not self._flight.broken:
            openings.dismiss(self._team)
        self._served = False

    def _construct(self) -> None:
        self._opening = Opening.of(self._model, self._options, self._team)
        self._link = GptLink(self._team)
        import tensorrt_llm.bindings as bindings

        self._bindings = bindings
        self._manager = construct(
            self._model, self._opening, self._fetch, self._send, self._poll_stops, self._take_statistics
        )

    def _warm_up(self) -> None:
        """Run one short request: memory and kernels that are only made then are found wanting now."""
        deadline = time.monotonic() + self._options.rank_timeout
        answered = threading.Event()
        try:
            self._first = (self._ask(), answered)
            while not answered.wait(0.05):
                self._team.check()
                if time.monotonic() > deadline:
                    seconds = self._options.rank_timeout
                    raise LoadError(f"The engine gave no token within {seconds} s (option rank_timeout).")
            if self._first_error:
                raise RuntimeError(f"the first request failed: {self._first_error}")
        except Exception as error:
            self.close()
            raise load_errors.load_error(error, self._model.origin) from error
        self._first = None

    def _ask(self) -> int:
        """Enqueue a request that nothing is wrong with."""
        sampling = SamplingParams(max_new_tokens=2, num_beams=self._width, ignore_eos=True)
        handle = next(self._handles)
        sound = plain(EngineRequest(0, [max(self._ends.first, 0)], sampling), self._ends, self._vocab_size)
        with self._work:
            self._queue.append((handle, sound))
            self._work.notify_all()
        return handle

    def _kv_tokens(self) -> int | None:
        told = json.loads(self._statistics or "{}")
        blocks, size = told.get("Max KV cache blocks"), told.get("Tokens per KV cache block")
        return usable_tokens(blocks, size, self._width) if blocks and size else None

    def _fetch(self, most: int) -> list[Any]:
        """Give the manager new requests. Its thread, in every iteration; `most` below 0 is no limit."""
        try:
            self._flush()
            batch, over = self._link.told(self._next(most))
            requests = [inference_request(self._bindings, handle, values) for handle, values in batch]
            if over:
                requests.append(self._bindings.InferenceRequest(TERMINATE))
                self._over.set()
            return requests
        except Exception as error:
            self._flight.breaks(f"requests could not be handed over ({load_errors.one_line(error)})")
            return []

    def _next(self, most: int) -> tuple[list[tuple[int, Plain]], bool]:
        with self._work:
            if not self._queue and not self._closing and not self._running:
                self._work.wait(_IDLE)
            number = len(self._queue) if most < 0 else min(most, len(self._queue))
            batch = [self._queue.popleft() for _ in range(number)]
            self._running.update(handle for handle, _ in batch)
            return batch, self._closing

    def _send(self, handle: int, tensors: Items[Any], final: bool, error: str) -> None:
        """Keep an answer until the iteration is over. The manager's thread."""
        self._answers.append(Answer(handle, tensors, final, error))

    def _poll_stops(self) -> set[int]:
        """Tell the manager which requests to stop. Its thread, once an iteration."""
        try:
            self._flush()
            with self._work:
                stops = set(self._stops)
            return set(self._link.told(stops))
        except Exception as error:
            self._flight.breaks(f"requests could not be stopped ({load_errors.one_line(error)})")
            return set()

    def _take_statistics(self, text: str) -> None:
        """Keep what an iteration tells of itself, which also means that there was one."""
        self._statistics = text
        self._flight.heard = time.monotonic()

    def _flush(self) -> None:
        """Deliver the answers of an iteration, all at once."""
        answers, self._answers = self._answers, []
        if answers:
            flight = self._flight
            with flight.lock:
                flight.heard = time.monotonic()
                flight.put(self._reader.read(answers))
                if self._reader.stop:
                    self.cancel(self._reader.stop)
                if self._reader.failed:
                    self._verdicts.judge(self._reader.failed)
            ended = {answer.handle for answer in answers if answer.final}
            with self._work:
                self._stops -= ended
                self._running -= ended
            for answer in answers:
                self._look_at(answer)
        self._verdicts.look()

    def _look_at(self, answer: Answer) -> None:
        if not answer.final:
            return
        if answer.handle == self._verdicts.asked:
            with self._flight.lock:
                self._verdicts.hear(failed=bool(answer.error))
        elif self._first is not None and answer.handle == self._first[0]:
            self._first_error = answer.error
            self._first[1].set()
