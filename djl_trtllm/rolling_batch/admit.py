"""From an arrival's bytes to an admitted request, or a 4xx for it alone."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from djl_trtllm.core import EngineRequest, Limits, Request
from djl_trtllm.errors import InvalidRequest
from djl_trtllm.formats.registry import Writers
from djl_trtllm.rolling_batch.slot import Slot
from djl_trtllm.rolling_batch.text_stream import PlainStream, StoppingStream, TextStream
from djl_trtllm.text.tokenizer import Tokenizer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Arrival:
    """A new request as DJL hands it over: its body, its HTTP headers and the server's random seed, if any."""

    body: bytes
    headers: Mapping[str, str]
    seed: int | None = None

    @property
    def content_type(self) -> str:
        """The Content-Type header, empty when the client sent none. Header names match in any case."""
        return next((v for k, v in self.headers.items() if k.lower() == "content-type"), "")


Parse = Callable[[bytes, str, "int | None"], Request]
"""A request schema: body, content type and the server's seed in, a `Request` out; raises `InvalidRequest`."""


class Admission:
    """Parses, tokenises and checks one request at a time. Used by several threads; holds no state of a request."""

    def __init__(self, parse: Parse, tokenizer: Tokenizer, limits: Limits, on_long_input: str) -> None:
        self._parse = parse
        self._tokenizer = tokenizer
        self._limits = limits
        self._on_long_input = on_long_input
        self._writers = Writers(tokenizer.special_ids)

    def prepare(self, slot: Slot, arrival: Arrival) -> EngineRequest:
        """Make `slot` ready for its first chunk and return its sequence for the engine.

        Raises `InvalidRequest` with every problem found, `BodyTooLarge` for an oversized body.
        """
        request = self._parse(arrival.body, arrival.content_type, arrival.seed)
        for warning in request.warnings:
            log.warning("request %d: %s", slot.id, warning)
        request.prompt_ids = self._encode(request)
        room = self._limits.max_sequence_len.value - len(request.prompt_ids)
        if request.sampling.max_new_tokens > room:
            request.sampling = dataclasses.replace(
                request.sampling,
                max_new_tokens=room,
                min_new_tokens=min(request.sampling.min_new_tokens, room),
            )
        slot.begin(request, self._stream(request), self._writers.make(request))
        return EngineRequest(slot.id, request.prompt_ids, request.sampling)

    def _stream(self, request: Request) -> TextStream:
        detokenizer = self._tokenizer.detokenizer(request.prompt_ids, request.skip_special_tokens)
        return StoppingStream(detokenizer, request.stops) if request.stops else PlainStream(detokenizer)

    def _encode(self, request: Request) -> list[int]:
        limit = self._limits.max_input_len
        clipping = request.truncate is not None or self._on_long_input != "reject"
        at_least = self._tokenizer.min_tokens(len(request.prompt.encode("utf-8")))
        if at_least > limit.value and not clipping:
            raise _too_long(f"at least {at_least}", limit.value, limit.source)
        ids = self._tokenizer.encode(request.prompt)
        if not ids:
            raise InvalidRequest("inputs is empty: the prompt has no tokens; send at least one character.")
        if request.truncate is not None:
            ids = ids[-request.truncate :]
        if len(ids) > limit.value:
            if not clipping:
                raise _too_long(str(len(ids)), limit.value, limit.source)
            keep_end = request.truncate is not None or self._on_long_input == "truncate_left"
            ids = ids[-limit.value :] if keep_end else ids[: limit.value]
        context = self._limits.max_sequence_len
        if len(ids) >= context.value:
            raise InvalidRequest(
                f"inputs has {len(ids)} tokens and leaves no room for output: the model's context is "
                f"{context.value} tokens (set by {context.source}); shorten the prompt or set truncate."
            )
        return ids


def _too_long(tokens: str, limit: int, source: str) -> InvalidRequest:
    return InvalidRequest(
        f"inputs has {tokens} tokens, the limit is {limit} (set by {source}); "
        f"shorten the prompt, set truncate, or raise max_input_len."
    )
