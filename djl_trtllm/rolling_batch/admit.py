"""From an arrival's bytes to an admitted request, or a 4xx for it alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from djl_trtllm.core import EngineRequest, Limits, Prompt, Request, SamplingParams, seed_of
from djl_trtllm.formats.base import Response
from djl_trtllm.rolling_batch.live_sequence import LiveSequence
from djl_trtllm.rolling_batch.prompts import Prompts
from djl_trtllm.rolling_batch.slot import Slot
from djl_trtllm.rolling_batch.text_stream import PlainStream, StoppingStream, TextStream
from djl_trtllm.schemas.quoting import logged
from djl_trtllm.text.tokenizer import Tokenizer

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Arrival:
    """A new request as DJL hands it over: its body, its HTTP headers and the server's random seed, if any."""

    body: bytes
    headers: Mapping[str, str]
    seed: int | None = None

    def header(self, name: str) -> str:
        """A header's value, empty when the client sent none; `name` in lower case, which matches any."""
        for sent in self.headers:
            if sent.lower() == name:
                return self.headers[sent]
        return ""


class Parse(Protocol):
    """The request schemas: an arrival in, a `Request` out."""

    def __call__(self, body: bytes, content_type: str, accept: str, seed: int | None) -> Request:
        """Return the request; raise `InvalidRequest` with every problem, `BodyTooLarge` for an oversized body."""
        ...


class Admission:
    """Parses, tokenises and checks one request at a time. Used by several threads; holds no state of a request."""

    def __init__(
        self,
        parse: Parse,
        respond: Callable[[Request], Response],
        tokenizer: Tokenizer,
        limits: Limits,
        on_long_input: str,
    ) -> None:
        self._parse = parse
        self._respond = respond
        self._tokenizer = tokenizer
        self._limits = limits
        self._prompts = Prompts(tokenizer, limits, on_long_input)

    def parse(self, arrival: Arrival) -> Request:
        """Return the request in an arrival. Raises `InvalidRequest` or `BodyTooLarge`."""
        return self._parse(
            arrival.body, arrival.header("content-type"), arrival.header("accept"), arrival.seed
        )

    def prepare(self, slot: Slot, request: Request, ids: Iterator[int]) -> Sequence[EngineRequest]:
        """Make `slot` ready for its first chunks and return its sequences for the engine.

        The first one has the slot's id, further ones take theirs from `ids`. Raises `InvalidRequest`.
        """
        self._prompts.encode(request)
        sampling = self._fitted(request)
        response = self._respond(request)
        for warning in request.warnings:
            log.warning("request %d: %s", slot.id, logged(warning))
        sequences, requests = [], []
        plain = not (sampling.top_logprobs or sampling.prompt_logprobs)
        for index, prompt in enumerate(p for p in request.prompts for _ in range(request.sequences)):
            sequence_id = next(ids) if index else slot.id
            sequences.append(
                LiveSequence(
                    sequence_id,
                    index,
                    slot,
                    prompt,
                    self._stream(request, prompt),
                    response.writer(index),
                    keeps_tokens=response.keeps_tokens,
                    scored=request.sequences > 1 and response.keeps_tokens,
                    plain=plain,
                )
            )
            seeded = replace(sampling, seed=seed_of(sampling.seed, index)) if index else sampling
            requests.append(EngineRequest(sequence_id, prompt.ids, seeded, request.guide))
        slot.begin(request, response, sequences)
        return requests

    def _fitted(self, request: Request) -> SamplingParams:
        """Return the sampling of an encoded request, with new tokens lowered to what the context leaves."""
        sampling = request.sampling
        if request.bad_sequences:
            words = [word for text in request.bad_sequences for word in self._tokenizer.words(text)]
            sampling = replace(sampling, bad_words=tuple(dict.fromkeys(words)))
        context = self._limits.max_sequence_len
        room = context.value - max(len(prompt.ids) for prompt in request.prompts)
        if sampling.max_new_tokens <= room:
            return sampling
        if request.length_asked:
            request.warnings = (
                *request.warnings,
                f"The {sampling.max_new_tokens} new tokens asked for were lowered to {room}, what the prompt leaves of "
                f"the model's context of {context.value} tokens (set by {context.source}).",
            )
        return replace(sampling, max_new_tokens=room, min_new_tokens=min(sampling.min_new_tokens, room))

    def _stream(self, request: Request, prompt: Prompt) -> TextStream:
        detokenizer = self._tokenizer.detokenizer(prompt.ids, request.skip_special_tokens)
        if not request.stops:
            return PlainStream(detokenizer)
        return StoppingStream(detokenizer, request.stops, request.include_stop)
