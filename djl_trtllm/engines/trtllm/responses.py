"""From the executor's responses to chunks: a whole batch at a time, under the flight's lock."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from types import ModuleType
from typing import Any

from djl_trtllm.core import TokenChunk
from djl_trtllm.engines.trtllm.flight import Flight
from djl_trtllm.engines.trtllm.sequences import Reason, Sequence
from djl_trtllm.errors import DjlTrtllmError, GenerationFailed, InvalidRequest

logger = logging.getLogger(__name__)

_OWN_FAULT = ("fetching new request", "cannot process new request")
"""In the message of a request that was refused when it was taken up (0.9 and later, 0.8)."""

_REASONS = {
    "END_ID": Reason.END,
    "STOP_WORDS": Reason.END,
    "LENGTH": Reason.LENGTH,
    "NOT_FINISHED": Reason.LOST,
    "TIMED_OUT": Reason.LOST,
    "CANCELLED": Reason.LOST,
}
"""Stop words are end tokens here. A sequence that ends NOT_FINISHED was taken from the batch (0.16 and later)."""


class Reader:
    """Reads the responses of one executor."""

    def __init__(self, bindings: ModuleType | Any, flight: Flight) -> None:
        self._flight = flight
        members = getattr(bindings, "FinishReason", None)
        self._reasons: dict[Any, Reason] = {
            getattr(members, name): reason
            for name, reason in _REASONS.items()
            if members is not None and hasattr(members, name)
        }
        self.stop: list[int] = []
        self.failed: list[tuple[int, str]] = []

    def read(self, responses: Iterable[Any]) -> list[TokenChunk]:
        """Return the chunks of a batch of responses; the caller holds the flight's lock.

        Afterwards `stop` has handles of sequences that ended here and still run there, and `failed` those that ended
        with an error in a step of the batch: what that means for all is the caller's to say.
        """
        self.stop, self.failed = [], []
        handles, chunks = self._flight.handles, []
        for response in responses:
            handle = response.request_id
            sequence = handles.get(handle)
            if sequence is None:
                continue
            if response.has_error():
                chunk = self._error(handle, sequence, response.error_msg)
            else:
                # Once: each look at it copies the result.
                result = response.result
                final = result.is_final
                if final:
                    del handles[handle]
                chunk = None if sequence.over else self._chunk(sequence, result, final)
                if chunk is not None and chunk.finish is not None and not final:
                    self.stop.append(handle)
            if chunk is not None:
                chunks.append(chunk)
                if sequence.over:
                    self._flight.ended(sequence)
        return chunks

    def _chunk(self, sequence: Sequence, result: Any, final: bool) -> TokenChunk | None:
        if not final:
            if sequence.beams > 1:
                return None
            logprobs = result.log_probs if sequence.logprobs else None
            return sequence.more(result.output_token_ids[0], logprobs[0] if logprobs else None)
        # The best beam is the first one: the library sorts them by score when they end.
        beams = result.output_token_ids
        tokens = beams[0] if beams else []
        if len(tokens) > sequence.most:
            tokens = without_echo(tokens, sequence)
        logprobs = result.log_probs if sequence.logprobs else None
        return sequence.end(tokens, logprobs[0] if logprobs else None, self._reason(sequence, result))

    def _reason(self, sequence: Sequence, result: Any) -> Reason:
        # Only told for single sequences (executor.h, 0.13 and later).
        if not self._reasons or sequence.beams > 1 or not result.finish_reasons:
            return Reason.UNTOLD
        return self._reasons.get(result.finish_reasons[0], Reason.LOST)

    def _error(self, handle: int, sequence: Sequence, message: str) -> TokenChunk | None:
        if not own_fault(message) and not sequence.over:
            self.failed.append((handle, message))
            return None
        del self._flight.handles[handle]
        if sequence.over:
            return None
        logger.error("The engine refused request %d: %s", sequence.id, told(sequence, message))
        return sequence.failed(refused(message))


def without_echo(tokens: list[int], sequence: Sequence) -> list[int]:
    """Take the prompt away from an answer that repeats it."""
    prompt = list(sequence.prompt)
    return tokens[len(prompt) :] if tokens[: len(prompt)] == prompt else tokens


def own_fault(message: str) -> bool:
    """Whether an error is of its request alone; any other came from a step of the batch."""
    folded = message.lower()
    return any(sign in folded for sign in _OWN_FAULT)


def told(sequence: Sequence, message: str) -> str:
    """Return what the library says of a sequence, for the log: what it says of a guide quotes the client's."""
    return "see its guide" if sequence.guided else message


def refused(message: str) -> DjlTrtllmError:
    """Make the error of one request from the library's message, which is for logs and not for clients."""
    if "exceeds maximum input length" in message:
        return InvalidRequest("The prompt is longer than the engine takes; shorten it or set truncate.")
    return GenerationFailed("The engine does not take this request.")
