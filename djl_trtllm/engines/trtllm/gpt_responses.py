"""From the tensors of TensorRT-LLM 0.8 to chunks: the answers of one iteration, under the flight's lock."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from collections.abc import Sequence as Items
from dataclasses import dataclass
from typing import Any

from djl_trtllm.core import TokenChunk
from djl_trtllm.engines.trtllm.flight import Flight
from djl_trtllm.engines.trtllm.responses import own_fault, refused
from djl_trtllm.engines.trtllm.sequences import Reason, Sequence

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Answer:
    """One call of the response callback. `tensors` are NamedTensors; `error` is empty where all went well."""

    handle: int
    tensors: Items[Any]
    final: bool
    error: str


class GptReader:
    """Reads answers. `stop` and `failed` as those of `responses.Reader`."""

    def __init__(self, flight: Flight) -> None:
        self._flight = flight
        self.stop: list[int] = []
        self.failed: list[tuple[int, str]] = []

    def read(self, answers: Iterable[Answer]) -> list[TokenChunk]:
        """Return the chunks of an iteration's answers; the caller holds the flight's lock."""
        self.stop, self.failed = [], []
        handles, chunks = self._flight.handles, []
        for answer in answers:
            sequence = handles.get(answer.handle)
            if sequence is None:
                continue
            if answer.error:
                chunk = self._error(sequence, answer)
            else:
                if answer.final:
                    del handles[answer.handle]
                chunk = None if sequence.over else _chunk(sequence, answer)
                if chunk is not None and chunk.finish is not None and not answer.final:
                    self.stop.append(answer.handle)
            if chunk is not None:
                chunks.append(chunk)
                if sequence.over:
                    self._flight.ended(sequence)
        return chunks

    def _error(self, sequence: Sequence, answer: Answer) -> TokenChunk | None:
        if not own_fault(answer.error) and not sequence.over:
            self.failed.append((answer.handle, answer.error))
            return None
        del self._flight.handles[answer.handle]
        if sequence.over:
            return None
        logger.error("The engine refused request %d: %s", sequence.id, answer.error)
        return sequence.failed(refused(answer.error))


def _chunk(sequence: Sequence, answer: Answer) -> TokenChunk | None:
    found = {named.name: named.tensor for named in answer.tensors if named.tensor is not None}
    tokens = _tokens(found, sequence)
    logprobs: list[float] | None = None
    if sequence.logprobs and "output_log_probs" in found:
        logprobs = found["output_log_probs"][0][0].tolist()
        if sequence.beams > 1:  # Rows are as long as the longest beam.
            logprobs = logprobs[: len(tokens)]
    if answer.final:
        return sequence.end(tokens, logprobs, Reason.UNTOLD)
    return None if sequence.beams > 1 else sequence.more(tokens, logprobs)


def _tokens(found: dict[str, Any], sequence: Sequence) -> list[int]:
    """Return the tokens of the first row [1, beams, n]: what is new of a stream, the prompt and all of it for beams."""
    if "output_ids" not in found:
        return []
    row: list[int] = found["output_ids"][0][0].tolist()
    if "sequence_length" in found:
        row = row[: int(found["sequence_length"][0][0])]
    return row[len(sequence.prompt) :] if sequence.beams > 1 else row
