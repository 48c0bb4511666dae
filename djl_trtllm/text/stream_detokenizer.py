"""Incremental decoding by tokenizers' own DecodeStream (0.21 and later), with the end and the recovery it lacks.

DecodeStream gives no way to get its tail, raises "Invalid prefix" when a decoder changes what it had said, keeps
every id that says nothing, and decodes a run of broken bytes again with every token (tokenizers 0.22, observed).
So what it holds back is known here too, and a window takes over where it fails, until the text is clean again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from djl_trtllm.text.vocabulary import Vocabulary
from djl_trtllm.text.windowed_detokenizer import WindowedDetokenizer

_LONGEST_HOLD = 4
"""Tokens without text after which the window takes over: a character is at most 4 bytes."""


class StreamDetokenizer:
    """One stream. Arguments as `WindowedDetokenizer` has them; `stream` is tokenizers' DecodeStream class.

    `_advance` is what takes the next token: DecodeStream's own `step`, the same after a token without text, or the
    window's. Exchanging it keeps `step` at one call and one test, 0.9 of the speed of bare DecodeStream.
    """

    __slots__ = (
        "_advance", "_held", "_longest_hold", "_skip", "_stream", "_tokenizer", "_vocabulary", "_whole", "_window",
        "recovered",
    )  # fmt: skip

    def __init__(
        self,
        stream: Any,
        vocabulary: Vocabulary,
        skip_special_tokens: bool,
        context: Sequence[int],
        whole: bool = False,
    ) -> None:
        self._stream = stream
        self._vocabulary = vocabulary
        self._tokenizer = vocabulary.tokenizer
        self._skip = skip_special_tokens
        self._whole = whole
        self._held: list[int] = []
        self._longest_hold = _LONGEST_HOLD
        self._window: WindowedDetokenizer | None = None
        self._advance: Callable[[Any, int], str | None]
        self.recovered = 0
        # The beginning of a text decodes differently: there a window comes first, and a stream takes over after it.
        if not context or not self._stream_from(context):
            self._window_from(context)

    def step(self, token_id: int) -> str:
        """Return the text that became certain with this token."""
        try:
            text = self._advance(self._tokenizer, token_id)
        except Exception:
            return self._recover(token_id)
        return self._hold(token_id) if text is None else text

    look_up = step

    def feed(self, ids: Sequence[int]) -> str:
        """Return the text that became certain with these tokens."""
        if self._window is not None:
            return self._through_window(ids)
        self._longest_hold = len(ids) + _LONGEST_HOLD  # the window must not take over inside a character
        text = "".join([self.step(token_id) for token_id in ids])
        self._longest_hold = _LONGEST_HOLD
        return text + self._take_over() if len(self._held) > _LONGEST_HOLD else text

    def flush(self) -> str:
        """Return the tail: what was held back, as it is."""
        text = ""
        if self._window is None:
            text = self._take_over()
        return text + self._window.flush() if self._window is not None else text

    def _stream_from(self, context: Sequence[int]) -> bool:
        """Go on with a new stream, unless it fails on the context itself."""
        advance = self._stream(skip_special_tokens=self._skip).step
        try:
            for token_id in context:  # stepping rather than `ids=`, which 0.21 does not have
                advance(self._tokenizer, token_id)
        except Exception:
            return False
        self._window = None
        self._advance = advance
        return True

    def _window_from(self, context: Sequence[int]) -> None:
        self._window = WindowedDetokenizer(self._vocabulary, self._skip, context, self._whole)
        self._advance = lambda _tokenizer, token_id: self._through_window((token_id,))

    def _hold(self, token_id: int) -> str:
        if not self._held:
            self._advance = self._holding(self._advance)
        self._held.append(token_id)
        return "" if len(self._held) <= self._longest_hold else self._take_over()

    def _recover(self, token_id: int) -> str:
        if self._vocabulary.token(token_id) is None:
            return ""
        self.recovered += 1
        self._held.append(token_id)
        return self._take_over()

    def _take_over(self) -> str:
        # All but the held ids have been sent, so any text will do for what was before them.
        self._window_from(self._vocabulary.anchor)
        held, self._held = self._held, []
        return self._through_window(held)

    def _through_window(self, ids: Sequence[int]) -> str:
        window = self._window
        if window is None or not ids:
            return ""
        before = window.recovered
        text = window.feed(ids)
        self.recovered += window.recovered - before
        if text and not window.holding and not text.endswith("\ufffd"):
            self._stream_from(window.context())
        return text

    def _holding(self, advance: Callable[[Any, int], str | None]) -> Callable[[Any, int], str | None]:
        def after_hold(tokenizer: Any, token_id: int) -> str | None:
            text = advance(tokenizer, token_id)
            if text is not None:
                self._held = []
                self._advance = advance
            return text

        return after_hold
