"""`bindings.GptManager` of 0.8: a loop that asks for requests and gives tensors, all by callbacks.

As in the published source of the manager: `shutdown` waits for every running request, a request with the id of
termination drops them, a step that fails ends the requests in flight and the loop goes on. Where an exception from a
callback would abort the process, this one stops and raises from `shutdown`.
"""

from __future__ import annotations

import datetime
import json
import logging
from collections.abc import Callable, Sequence
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours import ranks
from tests.contract.tensorrt_llm_stand_in.behaviours.checks import failed
from tests.contract.tensorrt_llm_stand_in.behaviours.jobs import Job, Lane
from tests.contract.tensorrt_llm_stand_in.behaviours.kv_cache import PRETEND_TOKENS, KvCache, capacity
from tests.contract.tensorrt_llm_stand_in.behaviours.limits import limits
from tests.contract.tensorrt_llm_stand_in.behaviours.loop import STEP_SECONDS, Loop
from tests.contract.tensorrt_llm_stand_in.behaviours.opening import open_engine
from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour, behind
from tests.contract.tensorrt_llm_stand_in.behaviours.request_job import Refused
from tests.contract.tensorrt_llm_stand_in.behaviours.scheduler import News, Scheduler

log = logging.getLogger("tensorrt_llm")
BINDINGS = "tensorrt_llm.bindings"


@behaviour(f"{BINDINGS}.GptManager")
class GptManager:
    """Starts its thread at once."""

    def __init__(
        self,
        context: Context,
        *,
        trt_engine_path: Any,
        model_type: Any,
        get_inference_requests_cb: Callable[[int], Sequence[Any]],
        send_response_cb: Callable[[int, list[Any], bool, str], None],
        max_beam_width: int = 1,
        scheduler_policy: Any = None,
        poll_stop_signal_cb: Callable[[], set[int]] | None = None,
        return_batch_manager_stats_cb: Callable[[str], None] | None = None,
        optional_params: Any = None,
        terminate_req_id: int | None = None,
        **others: Any,
    ) -> None:
        library = context.library
        for name, callback in (
            ("getInferenceRequestsCb", get_inference_requests_cb),
            ("sendResponseCb", send_response_cb),
        ):
            if not callable(callback):
                raise TypeError(f"GptManager ctor: {name} is empty.")
        if model_type.name == "V1":
            raise failed("the stand-in has in-flight batching only")
        context.trip("open")
        config, _ = open_engine(trt_engine_path, library)
        self._limits = limits(
            config, library.minor, beam_width=max_beam_width, chunked=optional_params.enable_chunked_context
        )
        self._library = library
        self._request = library.symbol(f"{BINDINGS}.InferenceRequest")
        self._get, self._send = get_inference_requests_cb, send_response_cb
        self._poll_stops, self._give_stats = poll_stop_signal_cb, return_batch_manager_stats_cb
        self._terminate = terminate_req_id
        self._closing = False
        self._active: set[int] = set()
        self._error: Exception | None = None
        kv = optional_params.kv_cache_config
        size = self._limits.tokens_per_block
        tokens = capacity(
            kv.max_tokens, kv.free_gpu_memory_fraction, library.knobs.options.get("kv_tokens", PRETEND_TOKENS)
        )
        self._world = ranks.meet(library)
        self._loop = Loop(
            Scheduler(
                self._world,
                KvCache(tokens // size, size, reuse=kv.enable_block_reuse),
                self._limits.max_batch_size,
                self._limits.vocab_size,
                evict=scheduler_policy.name == "MAX_UTILIZATION",
                irregular=library.knobs.options.get("irregular", True),
                empty_endings=False,
            ),
            deliver=self._deliver,
            fail=self._fail,
            trip=lambda: context.trip("step"),
            fetch=self._fetch,
            survives=True,
            step_seconds=library.knobs.step or STEP_SECONDS,
        )
        self._loop.start()

    def shutdown(self) -> None:
        """End, after every request that runs."""
        self._closing = True
        with self._loop.changed:
            self._loop.changed.wait_for(lambda: self._loop.stopping or self._loop.idle)
        self._loop.stop()
        self._world.close()
        if self._error is not None:
            raise RuntimeError(
                "terminate called after throwing an instance of 'error_already_set'"
            ) from self._error

    def __exit__(self, **_: Any) -> None:
        self.shutdown()

    def _fetch(self) -> None:
        """Ask for requests and for those to stop, at the head of every iteration."""
        try:
            for request_id in self._stops():
                if request_id in self._active:
                    self._loop.cancel(request_id)
            if not self._closing:
                room = max(self._limits.max_batch_size - len(self._active), 0)
                for request in self._get(room):
                    self._take(request)
        except Exception as error:
            self._abort(error)

    def _stops(self) -> set[int]:
        if self._poll_stops is None:
            return set()
        ids = self._poll_stops()
        if not isinstance(ids, set):
            raise TypeError(f"poll_stop_signal_cb must return a set, not {type(ids).__name__}")
        return ids

    def _take(self, request: Any) -> None:
        if not isinstance(request, self._request):
            raise TypeError(
                f"get_inference_requests_cb must return InferenceRequests, not {type(request).__name__}"
            )
        made = behind(request)
        if made.request_id == self._terminate:
            with self._loop.changed:
                self._loop.stopping = True
                self._loop.changed.notify_all()
            return
        try:
            job = made.job(self._limits)
            if job.id in self._active:
                raise RuntimeError(f"Request ID {job.id} already exist in request table. Will not be added.")
        except (RuntimeError, TypeError, Refused) as error:
            text = str(error).removeprefix("Encountered an error when fetching new request: ")
            self._send(made.request_id, [], True, f"Cannot process new request: {text}")
            return
        self._active.add(job.id)
        self._loop.submit([job])

    def _deliver(self, news: Sequence[News]) -> None:
        try:
            for one in news:
                if one.job.streaming or one.final:
                    self._send(one.job.id, self._tensors(one), one.final, "")
                if one.final:
                    self._active.discard(one.job.id)
            if self._give_stats is not None and self._active:
                self._give_stats(self._statistics())
        except Exception as error:
            self._abort(error)

    def _fail(self, jobs: Sequence[Job], text: str) -> None:
        try:
            for job in jobs:
                self._active.discard(job.id)
                self._send(job.id, [], True, f"Encountered an error in forwardAsync function: {text}")
        except Exception as error:
            self._abort(error)

    def _abort(self, error: Exception) -> None:
        log.error("[TensorRT-LLM][ERROR] a callback raised: %r", error)
        with self._loop.changed:
            self._error = self._error or error
            self._loop.stopping = True
            self._loop.changed.notify_all()

    def _tensors(self, news: News) -> list[Any]:
        import torch

        job, lanes = news.job, news.strand.lanes
        rows = [self._row(job, lane) for lane in lanes]
        lengths = [len(row) for row in rows]
        widest = max(1, *lengths)
        filling = job.end_id
        asked = bool(job.extra.scalar("return_log_probs"))
        longest = max(len(lane.tokens) for lane in lanes)
        zeros = [[0.0] * longest for _ in lanes]
        log_probs = [[*lane.log_probs, *[0.0] * (longest - len(lane.tokens))] for lane in lanes]
        values = {
            "output_ids": torch.tensor(
                [[[*row, *[filling] * (widest - len(row))] for row in rows]], dtype=torch.int32
            ),
            "sequence_length": torch.tensor([lengths], dtype=torch.int32),
            "context_logits": torch.zeros(1, 1, 1),
            "generation_logits": torch.zeros(1, 1, 1, 1),
            "output_log_probs": torch.tensor([log_probs if asked else zeros], dtype=torch.float32),
            "cum_log_probs": torch.tensor(
                [[sum(lane.log_probs) if asked else 0.0 for lane in lanes]], dtype=torch.float32
            ),
        }
        for lane in lanes:
            lane.told = len(lane.tokens)
        record = self._library.record
        return [
            record(f"{BINDINGS}.NamedTensor", tensor=tensor, name=name) for name, tensor in values.items()
        ]

    def _row(self, job: Job, lane: Lane) -> list[int]:
        """Return what is new while streaming, the prompt and everything otherwise."""
        return lane.tokens[lane.told :] if job.streaming else [*job.prompt, *lane.tokens]

    def _statistics(self) -> str:
        scheduler = self._loop.scheduler
        kv, counts = scheduler.kv, scheduler.counts
        return json.dumps(
            {
                "Timestamp": datetime.datetime.now().strftime("%m-%d-%Y %H:%M:%S"),
                "Iteration Counter": scheduler.steps,
                "Active Request Count": len(self._active),
                "Max Request Count": scheduler.max_batch_size,
                "Runtime GPU Memory Usage": 1 << 30,
                "Runtime CPU Memory Usage": 0,
                "Runtime Pinned Memory Usage": 0,
                "Max KV cache blocks": kv.total,
                "Free KV cache blocks": kv.total - kv.used,
                "Used KV cache blocks": kv.used,
                "Tokens per KV cache block": kv.tokens_per_block,
                "Scheduled Requests": counts.context + counts.generating,
                "Context Requests": counts.context,
                "Total Context Tokens": counts.context_tokens,
                "Generation Requests": counts.generating,
                "MicroBatch ID": 0,
                "Paused Requests": counts.paused,
            }
        )
