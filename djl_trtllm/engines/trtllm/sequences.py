"""What is known of a sequence while a batch manager runs it, and how its answers become chunks."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence as Items
from dataclasses import dataclass

from djl_trtllm.core import Alternatives, EngineRequest, FinishReason, TokenChunk
from djl_trtllm.errors import DjlTrtllmError, GenerationFailed

NO_LOGPROB = -9999.0
"""Stands for a log-probability that is not a finite number or that the library does not tell; JSON has no infinity."""


class Reason(enum.Enum):
    """Why the library says that a sequence ended. `UNTOLD`: it does not say (before 0.13, and for beams)."""

    END = "an end token"
    LENGTH = "as long as was asked for"
    LOST = "given up"
    UNTOLD = "untold"


@dataclass(frozen=True, slots=True)
class Ends:
    """A model's end tokens; `first` is the one that the library itself watches for, -1 where there is none."""

    ids: tuple[int, ...] = ()

    @property
    def first(self) -> int:
        """The end token for `end_id`."""
        return self.ids[0] if self.ids else -1

    @property
    def others(self) -> tuple[int, ...]:
        """End tokens that are passed as stop words."""
        return self.ids[1:]


@dataclass(slots=True)
class Sequence:
    """One sequence in a batch manager. `id` is ours; `over` once its client has had the ending.

    At least `least` and at most `most` tokens come, an end token not counted in the former. `ends` are the end
    tokens that count for it, none where they are ignored. `watched` are those that the library must not watch for:
    its stop words know no least length, so they end the sequence here. `tops` is how many alternatives are told of a
    token; `guided` says that the library may quote the client's guide in what it says of the sequence.
    """

    id: int
    prompt: Items[int]
    most: int
    least: int
    ends: tuple[int, ...]
    watched: tuple[int, ...]
    logprobs: bool
    beams: int
    tops: int = 0
    guided: bool = False
    count: int = 0
    last: int = -1
    over: bool = False

    @classmethod
    def of(cls, request: EngineRequest, ends: Ends) -> Sequence:
        """Make the record of a request that is about to be enqueued."""
        s = request.sampling
        counting = () if s.ignore_eos else ends.ids
        return cls(
            id=request.id,
            prompt=request.prompt_ids,
            most=s.max_new_tokens,
            least=s.min_new_tokens,
            ends=counting,
            watched=counting[1:] if s.min_new_tokens else (),
            logprobs=s.logprobs,
            beams=s.num_beams,
            tops=s.top_logprobs,
            guided=request.guide is not None,
        )

    def more(
        self,
        tokens: Items[int],
        logprobs: Items[float] | None,
        tops: Items[Alternatives] | None = None,
    ) -> TokenChunk | None:
        """Return the chunk for new tokens of a sequence that goes on; None where there is nothing to say.

        `logprobs` is what the library tells: those of all tokens so far; `tops` are of the new tokens. A chunk with a
        finish means that the library must be told to stop.
        """
        if not tokens:
            return None
        if self.watched:
            kept = self._until_watched(tokens)
            if kept is not None:
                values = self._tail(logprobs, len(tokens))
                return self._end(kept, values, tops, FinishReason.EOS)
        self.count += len(tokens)
        self.last = tokens[-1]
        values = self._tail(logprobs, len(tokens))
        return TokenChunk(self.id, tokens, values, tops=self._tops(tops, len(tokens)))

    def end(
        self,
        tokens: Items[int],
        logprobs: Items[float] | None,
        reason: Reason,
        tops: Items[Alternatives] | None = None,
    ) -> TokenChunk:
        """Return the last chunk, with the tokens of the last answer, if it had any.

        An end token is part of a chunk's tokens, but the library's decoder leaves out the one it watches for.
        """
        if reason is Reason.LOST:
            return self._lost("The engine gave this request up.")
        values = self._tail(logprobs, len(tokens))
        kept = self._until_watched(tokens) if self.watched else None
        if kept is None and self.beams > 1:
            kept = self._until_end(tokens)
        if kept is not None:
            return self._end(kept, values, tops, FinishReason.EOS)
        count, last = self.count + len(tokens), tokens[-1] if tokens else self.last
        if last in self.ends:
            return self._end(tokens, values, tops, FinishReason.EOS)
        if reason is Reason.LENGTH or (reason is Reason.UNTOLD and count >= self.most):
            return self._end(tokens, values, tops, FinishReason.LENGTH)
        if not self.ends:
            return self._lost(f"The engine ended this request after {count} of {self.most} tokens.")
        with_end = None if values is None else [*values, self._value_of_end(logprobs, count)]
        return self._end([*tokens, self.ends[0]], with_end, tops, FinishReason.EOS)

    def failed(self, error: DjlTrtllmError) -> TokenChunk:
        """Return the ending of a sequence that went wrong."""
        self.over = True
        return TokenChunk(self.id, error=error)

    def cancelled(self) -> TokenChunk:
        """Return the ending of a sequence that nobody wants any more."""
        self.over = True
        return TokenChunk(self.id, finish=FinishReason.CANCELLED)

    def _end(
        self,
        tokens: Items[int],
        values: list[float] | None,
        tops: Items[Alternatives] | None,
        finish: FinishReason,
    ) -> TokenChunk:
        self.over = True
        number = len(tokens)
        self.count += number
        kept = None if values is None else values[:number]
        return TokenChunk(self.id, tokens, kept, finish, tops=self._tops(tops, number))

    def _lost(self, text: str) -> TokenChunk:
        return self.failed(GenerationFailed(text))

    def _until_watched(self, tokens: Items[int]) -> Items[int] | None:
        for at, token in enumerate(tokens, self.count + 1):
            if at > self.least and token in self.watched:
                return tokens[: at - self.count]
        return None

    def _until_end(self, tokens: Items[int]) -> Items[int] | None:
        """Cut a beam after its first end token; what follows there is padding."""
        for at, token in enumerate(tokens, 1):
            if at > self.least and token in self.ends:
                return tokens[:at]
        return None

    def _tops(self, told: Items[Alternatives] | None, number: int) -> list[Alternatives] | None:
        """One list a token; an empty one where the library told none."""
        if not self.tops:
            return None
        kept = list(told or ())[:number]
        return kept + [()] * (number - len(kept))

    def _tail(self, logprobs: Items[float] | None, new: int) -> list[float] | None:
        if not self.logprobs:
            return None
        tail = list(logprobs[-new:]) if logprobs and new else []
        missing = new - len(tail)
        values = [x if math.isfinite(x) else NO_LOGPROB for x in tail]
        return [NO_LOGPROB] * missing + values if missing else values

    def _value_of_end(self, logprobs: Items[float] | None, count: int) -> float:
        """The log-probability of an end token that was left out, in case the library tells one value more."""
        value = logprobs[count] if logprobs is not None and len(logprobs) > count else NO_LOGPROB
        return value if math.isfinite(value) else NO_LOGPROB
