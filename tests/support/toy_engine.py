"""A deterministic engine in this process, for tests of whatever sits above the seam.

Token i of a sequence is a function of the prompt ids, i, and the seed when sampling, and of bad words and biases where
there are any: `expected_tokens` says what a request must give. Driven by its own thread, or by the test with `step()`
(`threaded=False`). What a request may carry beyond the plain is off, as with any engine, until `features` says so.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from djl_trtllm.core import (
    EngineRequest,
    EngineStats,
    Features,
    FinishReason,
    Guide,
    GuideKind,
    Inbox,
    Limit,
    Limits,
    SamplingParams,
    TokenChunk,
)
from djl_trtllm.engines.admission import refusal, unenforced
from djl_trtllm.engines.base import EngineClosedError
from djl_trtllm.engines.guides import problem
from djl_trtllm.errors import DjlTrtllmError, EngineRestarting, GenerationFailed, LoadError

EVERYTHING = Features(
    bad_words=True,
    logit_bias=True,
    top_logprobs=20,
    prompt_logprobs=True,
    guides=frozenset(GuideKind),
)
"""All that this engine can do."""


def toy_limits(
    *,
    max_input_len: int = 1024,
    max_output_len: int = 512,
    max_sequence_len: int = 2048,
    max_batch_size: int = 32,
    kv_cache_tokens: int = 65536,
    vocab_size: int = 1000,
) -> Limits:
    """Limits whose sources are the option names."""
    return Limits(
        Limit(max_input_len, "max_input_len"),
        Limit(max_output_len, "max_output_len"),
        Limit(max_sequence_len, "config.json"),
        Limit(max_batch_size, "max_rolling_batch_size"),
        Limit(kv_cache_tokens, "openvino_kv_cache"),
        Limit(vocab_size, "config.json"),
    )


def toy_token(prompt_ids: Sequence[int], position: int, sampling: SamplingParams, vocab_size: int) -> int:
    """Token number `position` (from 0) of a sequence."""
    salt = sampling.seed if sampling.do_sample else 0
    return (sum(prompt_ids) * 31 + len(prompt_ids) * 17 + position * 7 + salt * 13 + 1) % vocab_size


def toy_choice(
    prompt_ids: Sequence[int], before: Sequence[int], sampling: SamplingParams, vocab_size: int
) -> int:
    """The token that follows `before`, after bad words and biases.

    The logit of an id is 0 for `toy_token` and falls by 100 over the vocabulary from there upwards, so that a bias of
    100 always wins and one of -100 never does. A token that would complete a bad word, prompt included, is passed over.
    """
    first = toy_token(prompt_ids, len(before), sampling, vocab_size)
    if not sampling.bad_words and not sampling.logit_bias:
        return first
    so_far, biases = (*prompt_ids, *before), dict(sampling.logit_bias)
    banned = {
        word[-1]
        for word in sampling.bad_words
        if len(word) == 1 or so_far[-(len(word) - 1) :] == tuple(word[:-1])
    }
    order = [(first + step) % vocab_size for step in range(vocab_size)]
    plain = next((token for token in order if token not in banned and token not in biases), first)
    candidates = [plain, *(token for token in biases if token not in banned)]

    def logit(token: int) -> float:
        return biases.get(token, 0.0) - (token - first) % vocab_size * 100 / vocab_size

    return max(candidates, key=logit)


def toy_logprob(token: int) -> float:
    """The log-probability this engine gives to a token."""
    return -(token % 10 + 1) / 10


def toy_tops(token: int, number: int, vocab_size: int) -> list[tuple[int, float]]:
    """The `number` likeliest tokens where `token` came, which is always the first of them."""
    best = toy_logprob(token)
    order = ((token + step) % vocab_size for step in range(vocab_size))
    ids = list(islice((other for other in order if toy_logprob(other) <= best), number))
    return sorted(((i, toy_logprob(i)) for i in ids), key=lambda pair: -pair[1])


def toy_prompt_logprobs(prompt_ids: Sequence[int]) -> list[float | None]:
    """The log-probability of each token of a prompt, of which the first has none."""
    return [None, *(toy_logprob(token) for token in prompt_ids[1:])]


def expected_tokens(
    request: EngineRequest, vocab_size: int = 1000, eos_id: int | None = None
) -> tuple[list[int], FinishReason]:
    """All tokens `request` gives when nothing disturbs it, the EOS token included, and why it ends."""
    sampling = request.sampling
    tokens: list[int] = []
    for position in range(sampling.max_new_tokens):
        token = toy_choice(request.prompt_ids, tokens, sampling, vocab_size)
        tokens.append(token)
        if token == eos_id and not sampling.ignore_eos and position >= sampling.min_new_tokens:
            return tokens, FinishReason.EOS
    return tokens, FinishReason.LENGTH


@dataclass(slots=True)
class _Running:
    request: EngineRequest
    tokens: list[int] = field(default_factory=list)

    @property
    def position(self) -> int:
        """How many tokens it has."""
        return len(self.tokens)


@dataclass
class ToyEngine:
    """An `Engine`. `step_delay` in seconds; 0 steps as fast as it can.

    `fail(request)` returning an error ends that request with it on its first step. `fail_open` makes `open`
    raise. `die()` breaks the engine as a killed process would; `die_when(request)` does so by itself on the
    first step that meets such a request. `pause()` and `resume()` hold the steps.
    """

    limits: Limits = field(default_factory=toy_limits)
    features: Features = field(default_factory=Features)
    step_delay: float = 0.0
    tokens_per_step: int = 1
    eos_id: int | None = None
    threaded: bool = True
    fail: Callable[[EngineRequest], DjlTrtllmError | None] = lambda request: None
    die_when: Callable[[EngineRequest], bool] = lambda request: False
    fail_open: LoadError | None = None
    steps: int = 0
    progress: float = 0.0
    halted: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._work = threading.Condition(self._lock)
        self._waiting: dict[int, _Running] = {}
        self._running: dict[int, _Running] = {}
        self._inbox: Inbox | None = None
        self._closed = False
        self._dead = False
        self._paused = False
        self._thread: threading.Thread | None = None

    def open(self, inbox: Inbox) -> None:
        if self._closed or self._inbox is not None:
            raise EngineClosedError("An engine is opened once.")
        if self.fail_open is not None:
            self._closed = True
            raise self.fail_open
        self._inbox = inbox
        if self.threaded:
            self._thread = threading.Thread(target=self._loop, name="toy-engine", daemon=True)
            self._thread.start()

    def check(self, guide: Guide) -> None:
        error = unenforced(guide, self.features) or problem(guide, 65536)
        if error is not None:
            raise error

    def submit(self, requests: Sequence[EngineRequest]) -> None:
        with self._work:
            inbox = self._live_inbox()
            if any(r.id in self._waiting or r.id in self._running for r in requests):
                raise ValueError("An id that is in flight was submitted again.")
            refused = []
            for request in requests:
                error: DjlTrtllmError | None = refusal(request, self.limits, self.features)
                if self._dead:
                    error = EngineRestarting("The engine broke.")
                if error is not None:
                    refused.append(TokenChunk(request.id, error=error))
                else:
                    self._waiting[request.id] = _Running(request)
            if refused:
                inbox.put(refused)
            self._work.notify_all()

    def cancel(self, ids: Sequence[int]) -> None:
        with self._lock:
            inbox = self._live_inbox()
            ended = [i for i in ids if self._waiting.pop(i, None) or self._running.pop(i, None)]
            if ended:
                inbox.put([TokenChunk(i, finish=FinishReason.CANCELLED) for i in ended])

    def stats(self) -> EngineStats:
        with self._lock:
            self._live_inbox()
            return EngineStats(len(self._running), len(self._waiting), 0.0)

    def halt(self) -> None:
        self.halted = True

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        with self._work:
            if self._closed:
                return
            self._closed = True
            self._end_all(lambda i: TokenChunk(i, finish=FinishReason.CANCELLED))
            self._work.notify_all()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(5)

    def step(self) -> None:
        """Give every running sequence its next tokens, after taking in whoever waits and finds room."""
        with self._lock:
            if self._dead or self._closed:
                return
            self.steps += 1
            self.progress = time.monotonic()
            while self._waiting and len(self._running) < self.limits.max_batch_size.value:
                first = next(iter(self._waiting))
                self._running[first] = self._waiting.pop(first)
            if any(self.die_when(r.request) for r in self._running.values()):
                self.die()
                return
            chunks = [self._advance(r) for r in list(self._running.values())]
            if chunks:
                self._live_inbox().put(chunks)

    def die(self) -> None:
        """Break: everybody in flight gets a retryable error, then the inbox hears of the death."""
        with self._work:
            if self._dead or self._closed:
                return
            self._dead = True
            self._end_all(lambda i: TokenChunk(i, error=EngineRestarting("The engine broke.")))
            self._live_inbox().dead(EngineRestarting("The engine broke."))
            self._work.notify_all()

    def pause(self) -> None:
        """Hold the steps until `resume`."""
        with self._lock:
            self._paused = True

    def resume(self) -> None:
        """Let the steps go on."""
        with self._work:
            self._paused = False
            self._work.notify_all()

    def _advance(self, running: _Running) -> TokenChunk:
        request, sampling = running.request, running.request.sampling
        error = self.fail(request)
        if error is not None:
            del self._running[request.id]
            return TokenChunk(request.id, error=error)
        begins, finish = len(running.tokens), None
        vocab = self.limits.vocab_size.value
        for _ in range(self.tokens_per_step):
            token = toy_choice(request.prompt_ids, running.tokens, sampling, vocab)
            eos = token == self.eos_id and not sampling.ignore_eos
            running.tokens.append(token)
            if eos and len(running.tokens) > sampling.min_new_tokens:
                finish = FinishReason.EOS
            elif len(running.tokens) >= sampling.max_new_tokens:
                finish = FinishReason.LENGTH
            if finish is not None:
                del self._running[request.id]
                break
        tokens = running.tokens[begins:]
        chunk = TokenChunk(request.id, tokens, finish=finish)
        if sampling.logprobs:
            chunk.logprobs = [toy_logprob(token) for token in tokens]
        if sampling.top_logprobs:
            chunk.tops = [toy_tops(token, sampling.top_logprobs, vocab) for token in tokens]
        if sampling.prompt_logprobs and not begins:
            chunk.prompt_logprobs = toy_prompt_logprobs(request.prompt_ids)
        return chunk

    def _end_all(self, ending: Callable[[int], TokenChunk]) -> None:
        chunks = [ending(i) for i in (*self._running, *self._waiting)]
        self._running.clear()
        self._waiting.clear()
        if chunks and self._inbox is not None:
            self._inbox.put(chunks)

    def _live_inbox(self) -> Inbox:
        if self._closed or self._inbox is None:
            raise EngineClosedError("The engine is not open.")
        return self._inbox

    def _loop(self) -> None:
        while True:
            with self._work:
                while not self._closed and (
                    self._dead or self._paused or not (self._waiting or self._running)
                ):
                    self._work.wait()
                if self._closed:
                    return
                self.step()
                if self.step_delay:
                    self._work.wait_for(lambda: self._closed or self._dead, self.step_delay)


def always_failing(request: EngineRequest) -> DjlTrtllmError | None:
    """For `ToyEngine(fail=...)`: every request ends with `GenerationFailed`."""
    return GenerationFailed("The toy engine gave this request up.")
