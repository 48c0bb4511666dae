"""Byte tokens of byte-fallback vocabularies, made into whole characters before a decoder sees them.

Such a decoder rewrites a whole run of byte tokens when a later byte is bad ("é" becomes two replacement characters),
which a stream that has sent the "é" cannot. Here a run is decoded as it comes; what cannot become a character is
passed on as the byte tokens of U+FFFD, so that the decoder only ever sees valid runs.
"""

from __future__ import annotations

from codecs import utf_8_decode
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol


class Feedable(Protocol):
    """A detokenizer that takes several tokens at once."""

    recovered: int

    def step(self, token_id: int) -> str:
        """Return the text that became certain with this token."""
        ...

    def feed(self, ids: Sequence[int]) -> str:
        """Return the text that became certain with these tokens."""
        ...

    def flush(self) -> str:
        """Return the tail."""
        ...


class ByteRunDetokenizer:
    """One stream. `byte_ids` are the ids of byte tokens by byte, `values` the way back.

    `silent` tells ids that say nothing; one of those does not end a run.
    """

    __slots__ = ("_byte_ids", "_inner", "_inner_step", "_pending", "_silent", "_values")

    def __init__(
        self,
        inner: Feedable,
        byte_ids: Mapping[int, int],
        values: Mapping[int, int],
        silent: Callable[[int], bool],
    ) -> None:
        self._inner = inner
        self._inner_step = inner.step
        self._byte_ids = byte_ids
        self._values = values
        self._silent = silent
        self._pending = b""

    @property
    def recovered(self) -> int:
        """How often decoding had to start afresh."""
        return self._inner.recovered

    def step(self, token_id: int) -> str:
        """Return the text that became certain with this token."""
        if token_id in self._values:
            return self._byte(self._values[token_id])
        if self._pending:
            return "" if self._silent(token_id) else self._end_run() + self._inner_step(token_id)
        return self._inner_step(token_id)

    look_up = step

    def flush(self) -> str:
        """Return the tail: a replacement character for a character that never became whole."""
        text = self._end_run() if self._pending else ""
        return text + self._inner.flush()

    def _byte(self, value: int) -> str:
        raw = self._pending + bytes((value,))
        text, used = utf_8_decode(raw, "replace", False)
        self._pending = raw[used:]
        return self._characters(text)

    def _end_run(self) -> str:
        text = utf_8_decode(self._pending, "replace", True)[0]
        self._pending = b""
        return self._characters(text)

    def _characters(self, text: str) -> str:
        ids = self._byte_ids
        return "".join([self._inner.feed([ids[byte] for byte in char.encode()]) for char in text])
