"""`bindings.executor.Executor`: the batch manager of versions 0.9 to 1.2.

Rules taken from the sources of 0.9 to 1.2 and their documentation. Where the real one would crash (a call after
`shutdown`), this one raises.

Knobs: `step` (seconds of a step), `kv_tokens` (what the memory of the pretended GPU holds, of which the KV cache gets
its fraction), `irregular` (False: each step gives each request exactly one token).
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Sequence
from itertools import count
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours import guided, ranks, request_job
from tests.contract.tensorrt_llm_stand_in.behaviours.checks import EXECUTOR as EXECUTOR_CHECKS
from tests.contract.tensorrt_llm_stand_in.behaviours.checks import check, failed
from tests.contract.tensorrt_llm_stand_in.behaviours.jobs import Job
from tests.contract.tensorrt_llm_stand_in.behaviours.kv_cache import PRETEND_TOKENS, KvCache, capacity
from tests.contract.tensorrt_llm_stand_in.behaviours.limits import limits
from tests.contract.tensorrt_llm_stand_in.behaviours.loop import STEP_SECONDS, Loop
from tests.contract.tensorrt_llm_stand_in.behaviours.mailbox import Mailbox
from tests.contract.tensorrt_llm_stand_in.behaviours.opening import open_engine
from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour
from tests.contract.tensorrt_llm_stand_in.behaviours.responses import Answers
from tests.contract.tensorrt_llm_stand_in.behaviours.scheduler import News, Scheduler
from tests.contract.tensorrt_llm_stand_in.behaviours.statistics import Statistics

BINDINGS = "tensorrt_llm.bindings.executor"
log = logging.getLogger("tensorrt_llm")


@behaviour(f"{BINDINGS}.Executor")
class Executor:
    """Only rank 0 takes requests; the others compute their part from a thread until rank 0 shuts down."""

    quiet = frozenset({"await_responses", "get_num_responses_ready", "get_latest_iteration_stats"})

    def __init__(
        self,
        context: Context,
        *,
        model_path: Any = None,
        model_type: Any = None,
        executor_config: Any = None,
        **buffers: Any,
    ) -> None:
        if model_path is None or model_type.name != "DECODER_ONLY":
            raise failed("the stand-in opens engine directories of decoders only")
        library = context.library
        context.trip("open")
        config, _ = open_engine(model_path, library)
        check({name: getattr(executor_config, name, None) for name in EXECUTOR_CHECKS}, EXECUTOR_CHECKS)
        _check_parallel(getattr(executor_config, "parallel_config", None), library.world)
        self._release = library.minor
        self._limits = limits(
            config,
            self._release,
            beam_width=executor_config.max_beam_width,
            batch_size=getattr(executor_config, "max_batch_size", None),
            num_tokens=getattr(executor_config, "max_num_tokens", None),
            chunked=executor_config.enable_chunked_context,
        )
        guides = _guides(executor_config)
        self._vocabulary = guided.vocabulary(*guides, self._limits.vocab_size) if guides else None
        self._world = ranks.join(library, context.trip, guides)
        self._shut = False
        if library.rank > 0:
            return
        self._max_queue = getattr(executor_config, "max_queue_size", None)
        kv_config, policy = executor_config.kv_cache_config, executor_config.scheduler_config
        tokens = capacity(
            kv_config.max_tokens,
            kv_config.free_gpu_memory_fraction,
            library.knobs.options.get("kv_tokens", PRETEND_TOKENS),
        )
        size = self._limits.tokens_per_block
        scheduler = Scheduler(
            self._world,
            KvCache(tokens // size, size, reuse=kv_config.enable_block_reuse),
            self._limits.max_batch_size,
            self._limits.vocab_size,
            evict=request_job.given(policy, "capacity_scheduler_policy", "policy").name == "MAX_UTILIZATION",
            irregular=library.knobs.options.get("irregular", True),
        )
        self._loop = Loop(
            scheduler,
            deliver=self._deliver,
            fail=self._fail,
            trip=lambda: context.trip("step"),
            step_seconds=library.knobs.step or STEP_SECONDS,
        )
        self._answers = Answers(library)
        self._mail = Mailbox(self._loop.changed, self._answers, self._release)
        self._statistics = Statistics(library, executor_config, self._loop)
        self._ids = count(1)
        self._active: dict[int, int | None] = {}
        self._loop.start()

    def can_enqueue_requests(self) -> bool:
        self._must_be_open("can_enqueue_requests")
        return self._world.rank == 0

    def enqueue_request(self, *, request: Any) -> int:
        return self.enqueue_requests(requests=[request])[0]

    def enqueue_requests(self, *, requests: Sequence[Any]) -> list[int]:
        self._must_lead("enqueue requests")
        with self._loop.changed:
            if self._loop.broken is not None:
                raise RuntimeError(f"[TensorRT-LLM][ERROR] the executor failed: {self._loop.broken}")
            if self._max_queue is not None and self._loop.queued + len(requests) > self._max_queue:
                raise RuntimeError(
                    f"Maximum queue size of {self._max_queue} has been reached, please try again later"
                )
            numbered = [(next(self._ids), request) for request in requests]
            accepted = [job for job in (self._job(*pair) for pair in numbered) if job is not None]
            self._loop.submit(accepted)
            return [job_id for job_id, _ in numbered]

    def await_responses(
        self,
        *,
        timeout: datetime.timedelta | None = None,
        id: int | None = None,  # noqa: A002
        ids: Sequence[int] | None = None,
    ) -> list[Any]:
        self._must_lead("await responses")
        seconds = None if timeout is None else timeout.total_seconds()
        if ids is not None:
            return self._mail.of_each(ids, seconds)
        return self._mail.of_any(seconds) if id is None else self._mail.of(id, seconds)

    def get_num_responses_ready(self, *, id: int | None = None) -> int:  # noqa: A002
        self._must_lead("count responses")
        return self._mail.ready(id)

    def cancel_request(self, *, id: int | None = None) -> None:  # noqa: A002
        self._must_lead("cancel requests")
        if id is None:
            raise TypeError("cancel_request(): incompatible function arguments: id=None")
        if id not in self._active:
            log.error("[TensorRT-LLM][ERROR] Received stop request for id %d which is not active", id)
            return
        self._loop.cancel(id)

    def get_latest_iteration_stats(self) -> list[Any]:
        self._must_lead("read statistics")
        return self._statistics.iterations()

    def get_latest_request_stats(self) -> list[Any]:
        self._must_lead("read statistics")
        return []

    def get_latest_debug_tensors(self) -> list[Any]:
        self._must_lead("read tensors")
        return []

    def shutdown(self) -> None:
        if self._shut:
            return
        self._shut = True
        if self._world.rank == 0:
            self._loop.stop()
            self._mail.close()
        self._world.close()

    def __exit__(self, **_: Any) -> None:
        self.shutdown()

    def _job(self, job_id: int, request: Any) -> Job | None:
        client = getattr(request, "client_id", None)
        try:
            made = request_job.job(request, job_id, self._limits, self._release, self._vocabulary)
        except request_job.Refused as error:
            self._mail.put(job_id, self._answers.error(job_id, str(error), client), final=True)
            return None
        self._active[job_id] = client
        return made

    def _deliver(self, news: Sequence[News]) -> None:
        self._statistics.step()
        for one in news:
            job = one.job
            if job.streaming or one.final:
                request = job.extra
                output = request.output_config
                response = self._answers.of(
                    one,
                    echo=not output.exclude_input_from_output,
                    all_tokens=job.beam_width > 1
                    or bool(getattr(request, "return_all_generated_tokens", False)),
                    log_probs=output.return_log_probs,
                    client_id=self._active[job.id],
                )
                self._mail.put(job.id, response, final=one.last)
            if one.last:
                del self._active[job.id]

    def _fail(self, jobs: Sequence[Job], text: str) -> None:
        for job in jobs:
            client = self._active.pop(job.id)
            self._mail.put(job.id, self._answers.error(job.id, text, client), final=True)

    def _must_be_open(self, what: str) -> None:
        if self._shut:
            raise RuntimeError(f"[TensorRT-LLM][ERROR] Shutdown called, cannot {what}.")

    def _must_lead(self, what: str) -> None:
        self._must_be_open(what)
        if self._world.rank > 0:
            raise failed(f"Only the leader can {what} in leader mode (rank {self._world.rank})")


def _guides(config: Any) -> tuple[list[str], str, list[int]] | None:
    """Return what guided decoding is configured with."""
    found = getattr(config, "guided_decoding_config", None)
    return None if found is None else (found.encoded_vocab, found.tokenizer_str, found.stop_token_ids)


def _check_parallel(config: Any, world: int) -> None:
    if config is None:
        return
    if config.communication_mode.name != "LEADER":
        raise failed("communicationMode kORCHESTRATOR needs an orchestrator_config with a worker executable")
    for name in ("device_ids", "participant_ids"):
        ids = getattr(config, name)
        if ids is not None and len(ids) != world:
            raise failed(f"{name} must have as many entries as there are ranks ({world}), got {len(ids)}")
