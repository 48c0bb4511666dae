"""What a request is while it runs: sequences, each of one or several lanes (beams), each lane a row of tokens."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours import tokens
from tests.contract.tensorrt_llm_stand_in.behaviours.failures import StepFailed


class End(enum.Enum):
    """Why a lane ended, by the names of the library's `FinishReason`."""

    NOT_FINISHED = 0
    END_ID = 1
    STOP_WORDS = 2
    LENGTH = 3
    CANCELLED = 5


@dataclass(slots=True)
class Lane:
    """One row of tokens. `told` counts those that a response has carried."""

    state: int
    beam: int = 0
    tokens: list[int] = field(default_factory=list)
    end: End = End.NOT_FINISHED
    stop_word: Sequence[int] = ()
    told: int = 0

    @property
    def log_probs(self) -> list[float]:
        """The log-probability of every token."""
        return [tokens.log_prob(token, self.beam) for token in self.tokens]


@dataclass(slots=True)
class Strand:
    """One of a request's `num_return_sequences`: its lanes are the beams."""

    index: int
    lanes: list[Lane]
    closed: bool = False

    @property
    def ended(self) -> bool:
        """Whether every lane has ended."""
        return all(lane.end is not End.NOT_FINISHED for lane in self.lanes)


@dataclass(slots=True)
class Job:
    """A request. `max_tokens` is what is left after clipping; `extra` is whatever the front wants to find again.

    `answer` is what a guide leaves: every token of it, the one that ends it included. `poison` is raised by the first
    step that meets the request.
    """

    id: int
    prompt: Sequence[int]
    max_tokens: int
    strands: list[Strand]
    beam_width: int = 1
    end_id: int = -1
    min_tokens: int = 0
    stop_words: Sequence[Sequence[int]] = ()
    bad_words: Sequence[Sequence[int]] = ()
    bias: Mapping[int, float] = field(default_factory=dict)
    streaming: bool = False
    answer: Sequence[int] | None = None
    poison: StepFailed | None = None
    extra: Any = None

    @property
    def lanes(self) -> list[Lane]:
        """All lanes of all sequences."""
        return [lane for strand in self.strands for lane in strand.lanes]

    @property
    def generated(self) -> int:
        """How many tokens its longest lane has."""
        return max(len(lane.tokens) for lane in self.lanes)

    @property
    def irregular(self) -> int:
        """A number of its own that decides which steps give two tokens and whether the last response is empty."""
        return self.strands[0].lanes[0].state

    def _guided(self, lane: Lane, banned: set[int]) -> int:
        """Return the one token that the guide allows. As in the library, where none is left the batch fails."""
        answer = self.answer or ()
        if len(lane.tokens) >= len(answer):
            raise StepFailed(
                "GrammarMatcher has terminated after accepting the stop token, but is trying to accept a new one",
                fatal=False,
            )
        token = answer[len(lane.tokens)]
        if token in banned or token in tokens.completing(lane.tokens, self.bad_words):
            raise StepFailed("no token is left that the guide allows", fatal=False)
        return token

    def extend(self, lane: Lane, drawn: int, vocab_size: int) -> None:
        """Give a lane that runs its next token, and its end if that was the last."""
        if self.poison is not None:
            raise self.poison
        banned = {token for token, bias in self.bias.items() if bias <= -10}
        if len(lane.tokens) < self.min_tokens:
            banned.add(self.end_id)
        forced = next((token for token, bias in self.bias.items() if bias >= 10), None)
        if self.answer is not None:
            forced = self._guided(lane, banned)
        token = tokens.choose(
            tokens.biased(drawn, self.bias),
            lane.tokens,
            vocab_size,
            banned=frozenset(banned),
            bad_words=self.bad_words,
            forced=forced,
        )
        lane.tokens.append(token)
        word = tokens.stopped_by(lane.tokens, self.stop_words) if self.stop_words else None
        if token == self.end_id:
            lane.end = End.END_ID
        elif word is not None:
            lane.end, lane.stop_word = End.STOP_WORDS, word
        elif len(lane.tokens) >= self.max_tokens:
            lane.end = End.LENGTH


def strands(
    prompt: Sequence[int], sampling: Mapping[str, object], *, beam_width: int = 1, sequences: int = 1
) -> list[Strand]:
    """Return the sequences of a request that has no token yet."""
    salted = tokens.salt(beam_width, **sampling)
    return [
        Strand(index, [Lane(tokens.state(prompt, salted, index, beam), beam) for beam in range(beam_width)])
        for index in range(sequences)
    ]
