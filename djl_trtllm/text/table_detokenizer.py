"""Incremental decoding from a table: the fastest way, for decoders that treat tokens one by one."""

from __future__ import annotations

from codecs import utf_8_decode
from collections.abc import Sequence

from djl_trtllm.text.table import Spelling, TokenTable


class TableDetokenizer:
    """One stream. Whole-character tokens are one look-up; others go through incremental UTF-8 decoding.

    `prompt_ids` only tell whether the output is the beginning of the text.
    """

    __slots__ = ("_odd", "_pending", "_spelling", "_starting", "_table", "recovered")

    def __init__(self, table: TokenTable, spelling: Spelling, prompt_ids: Sequence[int]) -> None:
        self._table = table
        self._spelling = spelling
        self._pending = b""
        self._starting = False
        if spelling.strip:
            self._starting = not any(table[token_id] != "" for token_id in prompt_ids)
        elif spelling.first_mark:
            self._starting = not any(table.shown(token_id) is not None for token_id in prompt_ids)
        self._odd = self._starting
        self.recovered = 0

    def step(self, token_id: int) -> str:
        """Return the text that became certain with this token."""
        if not self._odd:
            text = self._table[token_id]
            if text is not None:
                return text
        return self._odd_step(token_id)

    def flush(self) -> str:
        """Return the tail: a replacement character for a character that never became whole."""
        if not self._pending:
            return ""
        text = utf_8_decode(self._pending, "replace", True)[0]
        self._pending = b""
        self._odd = self._starting
        return text

    def _odd_step(self, token_id: int) -> str:
        text = self._table[token_id]
        if self._starting and self._spelling.first_mark:
            return self._first(token_id)
        raw = self._table.raw[token_id] if text is None else text.encode()
        if not raw:
            return ""
        raw = self._pending + raw
        text, used = utf_8_decode(raw, "replace", False)
        self._pending = raw[used:]
        if self._starting and text:
            self._starting = False
            text = text.removeprefix(self._spelling.strip)
        self._odd = self._starting or self._pending != b""
        return text

    def _first(self, token_id: int) -> str:
        token = self._table.shown(token_id)
        if token is None:
            return ""
        self._odd = self._starting = False
        return token.replace(self._spelling.first_mark, "")
