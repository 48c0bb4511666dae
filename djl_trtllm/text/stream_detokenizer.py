"""Incremental decoding by tokenizers' own DecodeStream (0.21 and later), with the end and the recovery it lacks.

DecodeStream gives no way to get its tail, raises "Invalid prefix" when a decoder changes what it had said, keeps
every id that says nothing, and decodes a run of broken bytes again with every token (tokenizers 0.22, observed).
So what it holds back is known here too, and a window takes over where it fails, until the text is clean again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from djl_trtllm.text.vocabulary import Vocabulary
from djl_trtllm.text.windowed_detokenizer import WindowedDetokenizer

_LONGEST_HOLD = 4
"""Tokens without text after which the window takes over: a character is at most 4 bytes."""


class StreamDetokenizer:
    """One stream. Arguments as `WindowedDetokenizer` has them; `stream` is tokenizers' DecodeStream class."""

    __slots__ = (
        "_advance", "_chunk", "_held", "_silent", "_skip", "_stream", "_tokenizer", "_vocabulary", "_whole",
        "_window", "recovered",
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
        self._silent = vocabulary.special_ids if skip_special_tokens else frozenset[int]()
        self._held: list[int] = []
        self._window: WindowedDetokenizer | None = None
        self.recovered = 0
        self._restart(context)

    def step(self, token_id: int) -> str:
        """Return the text that became certain with this token."""
        if token_id in self._silent:
            return ""
        try:
            text: str | None = self._advance(self._tokenizer, token_id)
        except Exception:
            return self._recover(token_id)
        if text is None:
            return self._hold(token_id)
        if self._held:
            self._chunk: Sequence[int] | int = [*self._held, token_id]
            self._held = []
        else:
            self._chunk = token_id
        return text

    def feed(self, ids: Sequence[int]) -> str:
        """Return the text that became certain with these tokens."""
        if self._window is not None:
            return self._windowed(ids)
        return "".join([self.step(token_id) for token_id in ids])

    def flush(self) -> str:
        """Return the tail: what was held back, as it is."""
        window = self._window or self._open_window()
        text = "" if self._window else window.feed(self._held)
        text += window.flush()
        self._window, self._held = window, []
        self._advance = self._windowed_step
        return text

    def _restart(self, context: Sequence[int]) -> None:
        self._window = None
        stream = self._stream(skip_special_tokens=self._skip)
        self._advance = stream.step
        self._chunk = context
        for token_id in context:  # stepping rather than `ids=`, which 0.21 does not have
            self._advance(self._tokenizer, token_id)

    def _hold(self, token_id: int) -> str:
        self._held.append(token_id)
        return "" if len(self._held) <= _LONGEST_HOLD else self._take_over()

    def _recover(self, token_id: int) -> str:
        if self._vocabulary.token(token_id) is None:
            return ""
        self.recovered += 1
        self._held.append(token_id)
        return self._take_over()

    def _take_over(self) -> str:
        self._window = self._open_window()
        self._advance = self._windowed_step
        held, self._held = self._held, []
        return self._windowed(held)

    def _open_window(self) -> WindowedDetokenizer:
        context = (self._chunk,) if isinstance(self._chunk, int) else self._chunk
        return WindowedDetokenizer(self._vocabulary, self._skip, context, self._whole)

    def _windowed_step(self, _tokenizer: object, token_id: int) -> str:
        return self._windowed((token_id,))

    def _windowed(self, ids: Sequence[int]) -> str:
        window = self._window
        assert window is not None  # noqa: S101
        text = window.feed(ids)
        if text and not window.holding and not text.endswith("\ufffd"):
            self.recovered += window.recovered
            self._restart(window.context())
        return text
