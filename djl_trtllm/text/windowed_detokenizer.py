"""Incremental decoding by decoding a short window again and again: works with every decoder and every version."""

from __future__ import annotations

from collections.abc import Sequence

from djl_trtllm.text.vocabulary import CONTEXT, Vocabulary

_LONGEST_WINDOW = 2 * CONTEXT


class WindowedDetokenizer:
    """One stream. The window's text beyond what was sent is news, except a last replacement character.

    `context` are ids before the output (see `Vocabulary.context`). With `whole` the caller feeds whole characters
    only, so nothing is held back, and a replacement character is taken as it is.
    """

    __slots__ = ("_decode", "_ids", "_sent", "_skip", "_vocabulary", "_whole", "holding", "recovered")

    def __init__(
        self, vocabulary: Vocabulary, skip_special_tokens: bool, context: Sequence[int], whole: bool = False
    ) -> None:
        self._vocabulary = vocabulary
        self._decode = vocabulary.tokenizer.decode
        self._skip = skip_special_tokens
        self._whole = whole
        self._ids: list[int] = list(context)
        self._sent = len(self._decode(self._ids, self._skip))
        self.holding = False
        self.recovered = 0

    def step(self, token_id: int) -> str:
        """Return the text that became certain with this token."""
        return self.feed((token_id,))

    look_up = step

    def feed(self, ids: Sequence[int]) -> str:
        """Return the text that became certain with these tokens."""
        window = self._ids
        window += ids
        try:
            text: str = self._decode(window, self._skip)
        except Exception:
            return self._drop(ids)
        end = len(text)
        if self.holding or text.endswith("\ufffd"):
            self.holding = not self._whole and text.endswith("\ufffd")
            end -= self.holding
        start, self._sent = self._sent, end
        if end <= start:
            self._nothing_new(ids, start - end)
        if len(window) > _LONGEST_WINDOW:
            self._shorten(len(ids) if self._whole else CONTEXT)
        return text[start:end]

    def flush(self) -> str:
        """Return the tail: what was held back, as it is."""
        text: str = self._decode(self._ids, self._skip)[self._sent :]
        self._sent += len(text)
        self.holding = False
        return text

    def context(self) -> Sequence[int]:
        """Return ids from which another detokenizer can go on. Only right while nothing is held back."""
        return self._ids

    def _shorten(self, keep: int) -> None:
        # What is sent is settled wherever the window begins; an unfinished character is in its last ids.
        del self._ids[:-keep]
        self._sent = len(self._decode(self._ids, self._skip)) - self.holding

    def _nothing_new(self, ids: Sequence[int], lost: int) -> None:
        if lost > 0:
            self.recovered += 1  # the decoder took back what it had said: nothing can, go on from here
        elif all(self._vocabulary.shown(token_id, self._skip) is None for token_id in ids):
            del self._ids[-len(ids) :]  # says nothing, and would push what does out of the window

    def _drop(self, ids: Sequence[int]) -> str:
        del self._ids[-len(ids) :]
        known = [token_id for token_id in ids if self._vocabulary.shown(token_id, self._skip) is not None]
        if len(known) < len(ids):
            return self.feed(known) if known else ""
        self.recovered += 1
        return ""
