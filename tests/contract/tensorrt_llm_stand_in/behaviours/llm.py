"""`tensorrt_llm.LLM` since 1.0, the PyTorch backend: requests as objects that are awaited.

Starts no process of its own, but refuses where the real one could not: under an external mpirun, and in a program
whose main module is not guarded.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import count
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours import (
    guided,
    llm_guided,
    llm_model,
    llm_sampling,
    main_guard,
)
from tests.contract.tensorrt_llm_stand_in.behaviours.failures import StepFailed
from tests.contract.tensorrt_llm_stand_in.behaviours.jobs import Job
from tests.contract.tensorrt_llm_stand_in.behaviours.kv_cache import KvCache
from tests.contract.tensorrt_llm_stand_in.behaviours.limits import limits
from tests.contract.tensorrt_llm_stand_in.behaviours.loop import STEP_SECONDS, Loop
from tests.contract.tensorrt_llm_stand_in.behaviours.opening import open_engine
from tests.contract.tensorrt_llm_stand_in.behaviours.registry import Context, behaviour, behind
from tests.contract.tensorrt_llm_stand_in.behaviours.request_output import (
    CompletionOutput,
    Part,
    RequestOutput,
    part,
)
from tests.contract.tensorrt_llm_stand_in.behaviours.scheduler import News, Scheduler
from tests.contract.tensorrt_llm_stand_in.behaviours.world import Alone

OUTPUT = "tensorrt_llm.llmapi.RequestOutput"
COMPLETION = "tensorrt_llm.llmapi.CompletionOutput"


@behaviour("tensorrt_llm.LLM", "tensorrt_llm.llmapi.LLM")
class LLM:
    """One model in one process."""

    arguments: Sequence[str] = ("tensorrt_llm.llmapi.TorchLlmArgs",)

    def __init__(self, context: Context, *, model: Any, **arguments: Any) -> None:
        library = context.library
        if library.minor < (1, 0):
            raise NotImplementedError("the stand-in has the LLM API from 1.0 on")
        if library.world > 1:
            raise RuntimeError(
                "MPI_Comm_spawn: LLM() called on every rank of an external mpirun; start the program with "
                "trtllm-llmapi-launch"
            )
        main_guard.check()
        if "kwargs_accepted" not in library.entries[context.symbol]:
            _check_arguments(library, self.arguments, {"model": model, **arguments})
        context.trip("open")
        self._library = library
        self._arguments = arguments
        self._model = self._load(model, arguments, library)
        self._vocabulary = llm_guided.vocabulary(arguments, self._model.vocab_size)
        self._ids = count(1)
        self._outputs: dict[int, RequestOutput] = {}
        self._shut = False
        size = self._model.tokens_per_block
        self._loop = Loop(
            Scheduler(
                Alone(),
                KvCache(self._model.kv_tokens // size, size, reuse=self._model.reuse),
                self._model.max_batch_size,
                self._model.vocab_size,
                evict=self._model.evict,
                irregular=library.knobs.options.get("irregular", True),
            ),
            deliver=self._deliver,
            fail=self._fail,
            trip=lambda: context.trip("step"),
            step_seconds=library.knobs.step or STEP_SECONDS,
        )
        self._stats: list[dict[str, Any]] = []
        self._loop.start()

    llm_id = property(lambda self: f"stand-in-{id(self)}")

    def generate_async(
        self, *, inputs: Any, sampling_params: Any = None, streaming: bool = False, **others: Any
    ) -> Any:
        if self._shut:
            raise RuntimeError("LLM is shutting down")
        if self._loop.broken is not None:
            raise RuntimeError(f"Executor worker died: {self._loop.broken}")
        prompt = self._prompt(inputs)
        params = self._params(sampling_params)
        job_id = next(self._ids)
        error, wanted = self._length(prompt, params)
        answer, poison = None, self._poison(params)
        try:
            answer = llm_guided.answer(params, self._vocabulary)
        except guided.NoGrammar as wrong:
            # Told to the request alone since 1.2; before, it ended the loop of the executor.
            if self._library.minor >= (1, 2):
                error = error or f"Guided decoding error: {wrong}"
            else:
                poison = StepFailed(str(wrong))
        made = llm_sampling.job(
            params,
            prompt,
            wanted,
            job_id=job_id,
            vocab_size=self._model.vocab_size,
            ends=self._model.ends,
            streaming=streaming,
            bad_words=self._knows_bad_words,
            answer=answer,
            poison=poison,
        )
        if made.beam_width > self._model.max_beam_width:
            raise ValueError(
                f"Requested beam width {made.beam_width} is larger than max_beam_width {self._model.max_beam_width}"
            )
        shell, output = self._output(made, params)
        if error is not None:
            output.put(Part(final=True, error=error))
            return shell
        with self._loop.changed:
            self._outputs[job_id] = output
            self._loop.submit([made])
        return shell

    def generate(self, *, inputs: Any, sampling_params: Any = None, **others: Any) -> Any:
        many = not isinstance(inputs, dict | str) and bool(inputs) and not isinstance(inputs[0], int)
        all_inputs = inputs if many else [inputs]
        params = sampling_params if isinstance(sampling_params, list) else [sampling_params] * len(all_inputs)
        with self._library.recorder.aside():
            shells = [
                self.generate_async(inputs=one, sampling_params=own)
                for one, own in zip(all_inputs, params, strict=True)
            ]
            for shell in shells:
                behind(shell).result()
        return shells if many else shells[0]

    def get_stats(self, *, timeout: float | None = 2) -> list[dict[str, Any]]:
        end = time.monotonic() + (timeout or 0)
        with self._loop.changed:
            if self._arguments.get("enable_iter_perf_stats"):
                self._loop.changed.wait_for(lambda: bool(self._stats), max(0.0, end - time.monotonic()))
            taken, self._stats = self._stats, []
        return taken

    def shutdown(self) -> None:
        """End at once: what runs is cancelled."""
        if self._shut:
            return
        self._shut = True
        with self._loop.changed:
            for job_id in self._outputs:
                self._loop.cancel(job_id)
            self._loop.changed.wait_for(lambda: not self._outputs or self._loop.broken is not None)
        self._loop.stop()

    def __exit__(self, **_: Any) -> bool:
        self.shutdown()
        return False

    def _load(self, model: Any, arguments: dict[str, Any], library: Any) -> llm_model.Model:
        return llm_model.load(model, arguments, library)

    def _prompt(self, inputs: Any) -> list[int]:
        ids = inputs.get("prompt_token_ids") if isinstance(inputs, dict) else inputs
        if isinstance(ids, str) or ids is None:
            raise ValueError("tokenizer is required for a prompt of text")
        if not isinstance(ids, list) or not all(type(token) is int for token in ids):
            raise TypeError(f"The inputs must be type str or list of int, but got {type(inputs)}")
        if not ids:
            raise ValueError("the prompt has no tokens")
        return list(ids)

    def _params(self, params: Any) -> Any:
        if params is None:
            if self._arguments.get("skip_tokenizer_init"):
                raise ValueError("tokenizer is required to initialize a default sampling_params")
            with self._library.recorder.aside():
                return self._library.symbol("tensorrt_llm.SamplingParams")()
        if not isinstance(params, self._library.symbol("tensorrt_llm.SamplingParams")):
            raise TypeError(
                f"The sampling_params must be type SamplingParams or None, but got {type(params)}"
            )
        if params.end_id is None and self._arguments.get("skip_tokenizer_init"):
            raise ValueError(
                "tokenizer is required to reset end_id if it is None, or you can explicitly specify the end_id for "
                "sampling_params"
            )
        if params.prompt_logprobs:
            raise ValueError(
                "`prompt_logprobs` in sampling_params is not supported in the PyTorch backend yet"
            )
        if (params.logprobs or 0) > 1 and self._library.minor < (1, 1):
            raise ValueError(f"PyTorch backend currently only supports `logprobs=1`, got {params.logprobs}")
        return params

    @property
    def _old_sampler(self) -> bool:
        """Whether the C++ sampler was asked for. The other one is the default."""
        asked = self._arguments.get("enable_trtllm_sampler") or self._arguments.get("sampler_type")
        return getattr(asked, "name", asked) in (True, "TRTLLMSampler")

    @property
    def _knows_bad_words(self) -> bool:
        """The default sampler passes them over until the middle of 2026, between two candidates of 1.3."""
        return self._old_sampler or self._library.row == "1.3-main-after-2026-07"

    def _poison(self, params: Any) -> StepFailed | None:
        """Whether a request would end the executor's loop: 1.0 was not shown to take a bias."""
        biased = params.embedding_bias is not None and self._library.minor < (1, 1)
        return StepFailed("Boolean value of Tensor with more than one value is ambiguous") if biased else None

    def _length(self, prompt: Sequence[int], params: Any) -> tuple[str | None, int]:
        """Return why the request fails, or how many tokens it may have."""
        model = self._model
        if len(prompt) > model.max_num_tokens and not model.chunked:
            raise ValueError(
                f"The sum of prompt length ({len(prompt)}) and query length (0) should not exceed max_num_tokens "
                f"({model.max_num_tokens})"
            )
        if any(not 0 <= token < model.vocab_size for token in prompt):
            return f"Token ID out of range of the vocabulary of {model.vocab_size}", 1
        room = model.max_seq_len - len(prompt)
        if room <= 0:
            return (
                f"`default_max_tokens` ({room}) should be greater than 0, max_seq_len ({model.max_seq_len}) - prompt "
                f"({len(prompt)})"
            ), 1
        return None, min(params.max_tokens or room, room)

    def _output(self, job: Job, params: Any) -> tuple[Any, RequestOutput]:
        library = self._library
        number = params.n
        grow = [CompletionOutput(Context(library, COMPLETION), index=index) for index in range(number)]
        outputs = []
        for one in grow:
            shell = library.record(COMPLETION)
            object.__setattr__(shell, "_behaviour", one)
            outputs.append(shell)
        shell = library.record(OUTPUT)
        output = RequestOutput(
            Context(library, OUTPUT, shell=shell),
            job=job,
            params=params,
            outputs=outputs,
            grow=grow,
            tops=0 if self._old_sampler else params.logprobs or 0,
            vocab_size=self._model.vocab_size,
            abort=lambda: self._loop.cancel(job.id),
        )
        object.__setattr__(shell, "_behaviour", output)
        return shell, output

    def _deliver(self, news: Sequence[News]) -> None:
        for one in news:
            if one.job.streaming or one.final:
                self._outputs[one.job.id].put(part(one.job, one.strand, final=one.final, last=one.last))
            if one.last:
                del self._outputs[one.job.id]
        if self._arguments.get("enable_iter_perf_stats"):
            self._stats.append(self._statistics())

    def _fail(self, jobs: Sequence[Job], text: str) -> None:
        for job in jobs:
            self._outputs.pop(job.id).put(Part(final=True, error=text))

    def _statistics(self) -> dict[str, Any]:
        scheduler = self._loop.scheduler
        kv = scheduler.kv
        return {
            "iter": scheduler.steps,
            "iterLatencyMS": self._loop.latency * 1000,
            "numActiveRequests": len(scheduler.running),
            "numQueuedRequests": self._loop.queued,
            "maxNumActiveRequests": scheduler.max_batch_size,
            "kvCacheStats": {
                "maxNumBlocks": kv.total,
                "freeNumBlocks": kv.total - kv.used,
                "usedNumBlocks": kv.used,
                "tokensPerBlock": kv.tokens_per_block,
            },
        }


@behaviour("tensorrt_llm._tensorrt_engine.LLM")
class EngineLLM(LLM):
    """The same over TensorRT engines: an engine directory, and its limits told by an error instead of clipping."""

    arguments = ("tensorrt_llm.llmapi.TrtLlmArgs", "tensorrt_llm.llmapi.llm_args.TrtLlmArgs")

    def _load(self, model: Any, arguments: dict[str, Any], library: Any) -> llm_model.Model:
        for name in ("tensor_parallel_size", "pipeline_parallel_size"):
            if arguments.get(name, 1) != 1:
                raise NotImplementedError("the stand-in has engines of one rank for the LLM API")
        config, _ = open_engine(model, library)
        limits_of = limits(config, library.minor, chunked=bool(arguments.get("enable_chunked_prefill")))
        return llm_model.of_engine(limits_of, arguments, library)

    def _length(self, prompt: Sequence[int], params: Any) -> tuple[str | None, int]:
        both = len(prompt) + (params.max_tokens or 0)
        if both > self._model.max_seq_len and not self._model.chunked:
            raise ValueError(
                f"The sum of prompt length ({len(prompt)}) and max_tokens ({params.max_tokens}) should not exceed "
                f"max_seq_len ({self._model.max_seq_len})"
            )
        return super()._length(prompt, params)


def _check_arguments(library: Any, classes: Sequence[str], values: dict[str, Any]) -> None:
    """Refuse as pydantic does what the row's class of arguments refuses, where the row has it."""
    known = [name for name in classes if library.has(name)]
    with library.recorder.aside():
        for name in known[:1]:
            library.symbol(name)(**values)
