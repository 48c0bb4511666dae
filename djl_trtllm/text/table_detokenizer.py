"""Incremental decoding from a table: the fastest way, for decoders that treat tokens one by one."""

from __future__ import annotations

from codecs import utf_8_decode
from collections.abc import Callable, Sequence

from djl_trtllm.text.table import Spelling, TokenTable

_nothing: Callable[[int], str | None] = dict[int, str]().get
"""The look-up while no token can be looked up."""


class TableDetokenizer:
    """One stream. Whole-character tokens are one look-up; others go through incremental UTF-8 decoding.

    `prompt_ids` only tell whether the output is the beginning of the text.
    """

    __slots__ = ("_pending", "_spelling", "_starting", "_table", "look_up", "recovered")

    def __init__(self, table: TokenTable, spelling: Spelling, prompt_ids: Sequence[int]) -> None:
        self._table = table
        self._spelling = spelling
        self._pending = b""
        self._starting = False
        if spelling.strip:
            self._starting = not any(table[token_id] != "" for token_id in prompt_ids)
        elif spelling.first is not None:
            self._starting = not any(table.shown(token_id) is not None for token_id in prompt_ids)
        self.look_up: Callable[[int], str | None]
        self._choose(odd=self._starting)
        self.recovered = 0

    def step(self, token_id: int) -> str:
        """Return the text that became certain with this token."""
        text = self.look_up(token_id)
        return self._odd_step(token_id) if text is None else text

    def flush(self) -> str:
        """Return the tail: a replacement character for a character that never became whole."""
        if not self._pending:
            return ""
        text = utf_8_decode(self._pending, "replace", True)[0]
        self._pending = b""
        self._choose(odd=self._starting)
        return text

    def _choose(self, *, odd: bool) -> None:
        """Set what looks up the next token: the table, unless the token's text depends on what was before."""
        self.look_up = _nothing if odd else self._table.__getitem__

    def _odd_step(self, token_id: int) -> str:
        text = self._table[token_id]
        if self._starting and self._spelling.first is not None:
            return self._first(token_id, self._spelling.first)
        raw = self._table.raw[token_id] if text is None else text.encode()
        if not raw:
            return ""
        raw = self._pending + raw
        text, used = utf_8_decode(raw, "replace", False)
        self._pending = raw[used:]
        if self._starting and text:
            self._starting = False
            text = text.removeprefix(self._spelling.strip)
        self._choose(odd=self._starting or self._pending != b"")
        return text

    def _first(self, token_id: int, says: Callable[[str], str]) -> str:
        token = self._table.shown(token_id)
        if token is None:
            return ""
        self._starting = False
        self._choose(odd=False)
        return says(token)
