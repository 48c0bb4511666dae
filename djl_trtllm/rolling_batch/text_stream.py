"""From token ids to text pieces a client may see, one text per token.

Two streams, chosen once per request: `PlainStream` without stop strings, `StoppingStream` with them. Both keep
the rule that every generated token is reported exactly once and that the texts, joined, are the reply.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from djl_trtllm.formats.base import NO_TOKEN, Piece
from djl_trtllm.text.detokenizer import Detokenizer
from djl_trtllm.text.stops import StopMatcher


class TextStream(Protocol):
    """What a slot needs: pieces in order, and whether a stop string was met.

    `step`, where there is one, takes one token, holds nothing back and returns its text; it may be used instead of
    `push`. The common case then costs no lists.
    """

    stopped: bool
    step: Callable[[int], str] | None

    def push(self, tokens: Sequence[int], logprobs: Sequence[float] | None) -> Piece | None:
        """Take new tokens; return those whose text is certain now, or None."""
        ...

    def finish(self, tokens: Sequence[int], logprobs: Sequence[float] | None) -> Piece | None:
        """Take the last tokens, if any, and return everything that was held back."""
        ...


class PlainStream:
    """Every token is released at once; undecided bytes surface with a later token, or with the last one."""

    __slots__ = ("_detokenizer", "step", "stopped")

    def __init__(self, detokenizer: Detokenizer) -> None:
        self._detokenizer = detokenizer
        self.step: Callable[[int], str] | None = detokenizer.step
        self.stopped = False

    def push(self, tokens: Sequence[int], logprobs: Sequence[float] | None) -> Piece | None:
        """Decode `tokens`; none is held back."""
        return Piece(tokens, [*map(self._detokenizer.step, tokens)], logprobs)

    def finish(self, tokens: Sequence[int], logprobs: Sequence[float] | None) -> Piece | None:
        """Decode the last tokens; the last of them carries the detokenizer's tail."""
        texts = [*map(self._detokenizer.step, tokens)]
        tail = self._detokenizer.flush()
        if texts:
            texts[-1] += tail
            return Piece(tokens, texts, logprobs)
        return Piece((NO_TOKEN,), (tail,), None) if tail else None


class StoppingStream:
    """Holds tokens back while their text could be the beginning of a stop string.

    A token is released once all of its text is certain. When a stop string is met, its first token keeps the text
    before the stop, and tokens wholly inside the stop are released with no text. Later tokens are dropped.
    """

    __slots__ = ("_detokenizer", "_held", "_matcher", "_safe", "step", "stopped")

    def __init__(self, detokenizer: Detokenizer, stops: Sequence[str]) -> None:
        self._detokenizer = detokenizer
        self._matcher = StopMatcher(stops)
        self._held: deque[tuple[int, str, float | None]] = deque()
        self._safe = ""
        self.step: Callable[[int], str] | None = None
        self.stopped = False

    def push(self, tokens: Sequence[int], logprobs: Sequence[float] | None) -> Piece | None:
        """Decode `tokens` up to the first stop string."""
        for position, token in enumerate(tokens):
            text = self._detokenizer.step(token)
            self._held.append((token, text, None if logprobs is None else logprobs[position]))
            if text:
                safe, self.stopped = self._matcher.feed(text)
                self._safe += safe
                if self.stopped:
                    break
        return self._release(everything=self.stopped)

    def finish(self, tokens: Sequence[int], logprobs: Sequence[float] | None) -> Piece | None:
        """Decode the last tokens and the tail, in which a stop string may still be completed."""
        first = self.push(tokens, logprobs)
        if self.stopped:
            return first
        tail = self._detokenizer.flush()
        if tail:
            safe, self.stopped = self._matcher.feed(tail)
            self._safe += safe
        if not self.stopped:
            self._safe += self._matcher.flush()
        rest = self._release(everything=True)
        whole = _joined(first, rest)
        if self._safe:
            whole = _with_tail(whole, self._safe)
            self._safe = ""
        return whole

    def _release(self, *, everything: bool) -> Piece | None:
        tokens: list[int] = []
        texts: list[str] = []
        logprobs: list[float] = []
        held = self._held
        while held and (everything or len(held[0][1]) <= len(self._safe)):
            token, text, logprob = held.popleft()
            tokens.append(token)
            texts.append(self._safe[: len(text)])
            self._safe = self._safe[len(text) :]
            if logprob is not None:
                logprobs.append(logprob)
        return Piece(tokens, texts, logprobs or None) if tokens else None


def _joined(first: Piece | None, second: Piece | None) -> Piece | None:
    if first is None or second is None:
        return first or second
    both = None
    if first.logprobs is not None and second.logprobs is not None:
        both = [*first.logprobs, *second.logprobs]
    return Piece([*first.tokens, *second.tokens], [*first.texts, *second.texts], both)


def _with_tail(piece: Piece | None, tail: str) -> Piece:
    if piece is None:
        return Piece((NO_TOKEN,), (tail,), None)
    return Piece(piece.tokens, [*piece.texts[:-1], piece.texts[-1] + tail], piece.logprobs)
