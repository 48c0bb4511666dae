"""From token ids to text pieces a client may see, one text per token.

Two streams, chosen once per sequence: `PlainStream` without stop strings, `StoppingStream` with them. Both keep
the rule that every generated token is reported exactly once and that the texts, joined, are the reply.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

from djl_trtllm.core import Alternatives
from djl_trtllm.formats.base import NO_TOKEN, Piece
from djl_trtllm.text.detokenizer import Detokenizer
from djl_trtllm.text.stops import StopMatcher

Logprobs = Sequence[float] | None
Tops = Sequence[Alternatives] | None


class TextStream(Protocol):
    """What a slot needs: pieces in order, and whether a stop string was met.

    `decoder`, where there is one, may be used instead of `push`: nothing is held back beyond what it holds back itself.
    The common case then costs no lists.
    """

    stopped: bool
    decoder: Detokenizer | None

    @property
    def matched(self) -> str | None:
        """The stop string that was met."""
        ...

    @property
    def recovered(self) -> int:
        """How often decoding had to start afresh."""
        ...

    def push(self, tokens: Sequence[int], logprobs: Logprobs, tops: Tops = None) -> Piece | None:
        """Take new tokens; return those whose text is certain now, or None."""
        ...

    def finish(self, tokens: Sequence[int], logprobs: Logprobs, tops: Tops = None) -> Piece | None:
        """Take the last tokens, if any, and return everything that was held back."""
        ...


class PlainStream:
    """Every token is released at once; undecided bytes surface with a later token, or with the last one."""

    __slots__ = ("_detokenizer", "decoder", "stopped")

    def __init__(self, detokenizer: Detokenizer) -> None:
        self._detokenizer = detokenizer
        self.decoder: Detokenizer | None = detokenizer
        self.stopped = False

    @property
    def matched(self) -> str | None:
        """None: there are no stop strings."""
        return None

    @property
    def recovered(self) -> int:
        """How often decoding had to start afresh."""
        return self._detokenizer.recovered

    def push(self, tokens: Sequence[int], logprobs: Logprobs, tops: Tops = None) -> Piece | None:
        """Decode `tokens`; none is held back."""
        return Piece(tokens, [*map(self._detokenizer.step, tokens)], logprobs, tops)

    def finish(self, tokens: Sequence[int], logprobs: Logprobs, tops: Tops = None) -> Piece | None:
        """Decode the last tokens; the last of them carries the detokenizer's tail."""
        texts = [*map(self._detokenizer.step, tokens)]
        tail = self._detokenizer.flush()
        if texts:
            texts[-1] += tail
            return Piece(tokens, texts, logprobs, tops)
        return Piece((NO_TOKEN,), (tail,), None) if tail else None


class StoppingStream:
    """Holds tokens back while their text could be the beginning of a stop string.

    A token is released once all of its text is certain. When a stop string is met, its first token keeps the text
    before the stop, and tokens wholly inside the stop are released with no text. With `keep` the stop string is text
    like any other and only what follows it is cut. Tokens after the one that completes the stop are dropped.
    """

    __slots__ = ("_decode", "_detokenizer", "_feed", "_held", "_matcher", "_safe", "decoder", "stopped")

    def __init__(self, detokenizer: Detokenizer, stops: Sequence[str], keep: bool = False) -> None:
        self._detokenizer = detokenizer
        self._matcher = StopMatcher(stops, keep)
        self._decode, self._feed = detokenizer.step, self._matcher.feed
        self._held: deque[tuple[int, str, float | None, Alternatives | None]] = deque()
        self._safe = ""
        self.decoder: Detokenizer | None = None
        self.stopped = False

    @property
    def matched(self) -> str | None:
        """The stop string that was met."""
        return self._matcher.matched

    @property
    def recovered(self) -> int:
        """How often decoding had to start afresh."""
        return self._detokenizer.recovered

    def push(self, tokens: Sequence[int], logprobs: Logprobs, tops: Tops = None) -> Piece | None:
        """Decode `tokens` up to the first stop string; nothing after that."""
        if self.stopped:
            return None
        if len(tokens) != 1 or self._held:
            self._take(tokens, logprobs, tops)
            return self._release()
        # One token while nothing is held back, by far the commonest case, at half the price.
        text = self._decode(tokens[0])
        safe, self.stopped = self._feed(text)
        if len(safe) == len(text) and not self.stopped:
            return Piece(tokens, [safe], logprobs, tops)
        self._hold(tokens[0], text, 0, logprobs, tops)
        self._safe = safe
        return self._release()

    def finish(self, tokens: Sequence[int], logprobs: Logprobs, tops: Tops = None) -> Piece | None:
        """Decode the last tokens and the tail, in which a stop string may still be completed."""
        if self.stopped:
            return None
        self._take(tokens, logprobs, tops)
        if not self.stopped:
            self._safe += self._matched(self._detokenizer.flush())
        if not self.stopped:
            self._safe += self._matcher.flush()
        piece = self._release(everything=True)
        tail, self._safe = self._safe, ""
        return _with_tail(piece, tail) if tail else piece

    def _take(self, tokens: Sequence[int], logprobs: Logprobs, tops: Tops) -> None:
        safe = [self._safe]
        for position, token in enumerate(tokens):
            text = self._decode(token)
            self._hold(token, text, position, logprobs, tops)
            safe.append(self._matched(text))
            if self.stopped:
                break
        self._safe = "".join(safe)

    def _hold(self, token: int, text: str, position: int, logprobs: Logprobs, tops: Tops) -> None:
        logprob = None if logprobs is None else logprobs[position]
        self._held.append((token, text, logprob, None if tops is None else tops[position]))

    def _matched(self, text: str) -> str:
        safe, self.stopped = self._feed(text)
        return safe

    def _release(self, *, everything: bool = False) -> Piece | None:
        """Take out the tokens whose text is safe; what follows the last of them stays."""
        held, safe, at = self._held, self._safe, 0
        everything = everything or self.stopped
        released, texts = [], []
        while held and (everything or at + len(held[0][1]) <= len(safe)):
            item = held.popleft()
            released.append(item)
            texts.append(safe[at : at + len(item[1])])
            at += len(item[1])
        self._safe = safe[at:]
        if not released:
            return None
        logprobs = [logprob for _, _, logprob, _ in released if logprob is not None]
        tops = [top for *_, top in released if top is not None]
        return Piece([token for token, *_ in released], texts, logprobs or None, tops or None)


def _with_tail(piece: Piece | None, tail: str) -> Piece:
    if piece is None:
        return Piece((NO_TOKEN,), (tail,), None)
    return Piece(piece.tokens, [*piece.texts[:-1], piece.texts[-1] + tail], piece.logprobs, piece.tops)
