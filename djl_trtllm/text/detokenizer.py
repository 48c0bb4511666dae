"""From token ids, one by one, to text that is certain.

The concatenation of what `step` and `flush` return is what one decode of all ids gives, for any ids, when the
tokenizer has no byte fallback. With byte fallback it is incremental UTF-8 decoding, with replacement, of the tokens'
bytes, and so the same wherever byte runs are valid: one decode of everything rewrites a whole run for one bad byte,
which no stream can. A replacement character is never sent while it could still become a character.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from tokenizers import decoders

from djl_trtllm.text.byte_runs import ByteRunDetokenizer
from djl_trtllm.text.stream_detokenizer import StreamDetokenizer
from djl_trtllm.text.table import TokenTable, spelling
from djl_trtllm.text.table_detokenizer import TableDetokenizer
from djl_trtllm.text.vocabulary import Vocabulary
from djl_trtllm.text.windowed_detokenizer import WindowedDetokenizer

Way = Literal["table", "stream", "window"]


class Detokenizer(Protocol):
    """One stream of one request. Nothing in it raises; `recovered` counts how often decoding started afresh."""

    @property
    def recovered(self) -> int:
        """How often decoding had to start afresh."""
        ...

    def step(self, token_id: int) -> str:
        """Return the text that became certain with this token; "" while it is held back."""
        ...

    def look_up(self, token_id: int) -> str | None:
        """Do what `step` does, or nothing and return None: then call `step`. Never slower, where it can be faster."""
        ...

    def flush(self) -> str:
        """Return what was held back, at the end: an unfinished character as a replacement character."""
        ...


class Detokenizers:
    """Makes the streams of one tokenizer, in the fastest way that is right for it, unless told which.

    `spelling` is there where a table can decode.
    """

    def __init__(self, vocabulary: Vocabulary, way: Way | None = None) -> None:
        self._vocabulary = vocabulary
        self.spelling = spelling(vocabulary)
        self._stream: Any = getattr(decoders, "DecodeStream", None)
        self.way: Way = way or self._best()
        if self.spelling is not None:
            self._tables = {
                skip: TokenTable(vocabulary, skip, self.spelling.to_bytes) for skip in (False, True)
            }
        self._byte_ids = vocabulary.byte_ids
        self._byte_values = {token_id: byte for byte, token_id in (self._byte_ids or {}).items()}

    def _best(self) -> Way:
        if self.spelling is not None:
            return "table"
        return "window" if self._stream is None else "stream"

    def inside(self, ids: Sequence[int]) -> str:
        """Return what ids say inside a text, special tokens by name."""
        detokenizer = self.make(self._vocabulary.anchor, skip_special_tokens=False)
        return "".join(map(detokenizer.step, ids)) + detokenizer.flush()

    def make(self, prompt_ids: Sequence[int], skip_special_tokens: bool) -> Detokenizer:
        """Start a stream after a prompt. The prompt decides whether the first blank is kept."""
        if self.way == "table" and self.spelling is not None:
            return TableDetokenizer(self._tables[skip_special_tokens], self.spelling, prompt_ids)
        context = self._vocabulary.context(prompt_ids, skip_special_tokens)
        whole = self._byte_ids is not None
        inner: StreamDetokenizer | WindowedDetokenizer
        if self.way == "stream":
            inner = StreamDetokenizer(self._stream, self._vocabulary, skip_special_tokens, context, whole)
        else:
            inner = WindowedDetokenizer(self._vocabulary, skip_special_tokens, context, whole)
        if self._byte_ids is None:
            return inner

        def silent(token_id: int) -> bool:
            return self._vocabulary.shown(token_id, skip_special_tokens) is None

        return ByteRunDetokenizer(inner, self._byte_ids, self._byte_values, silent)
