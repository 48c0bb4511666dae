"""What single tokens say, for tables of log-probs: as they read inside a text, not at its beginning."""

from __future__ import annotations

from djl_trtllm.text.table import Spelling, TokenTable
from djl_trtllm.text.vocabulary import Vocabulary


class TokenTexts(dict[int, str]):
    """Id to text, filled on first use. Ids outside the vocabulary say ""; special tokens say their names.

    A token that is not whole characters says a replacement character for what it is: see `raw`.
    """

    def __init__(self, vocabulary: Vocabulary, spelling: Spelling | None) -> None:
        super().__init__()
        self._vocabulary = vocabulary
        self._table = TokenTable(vocabulary, False, spelling.to_bytes) if spelling is not None else None

    def __missing__(self, token_id: int) -> str:
        token = self._vocabulary.token(token_id)
        if token is None:
            return ""
        special = token_id in self._vocabulary.special_ids
        text = self[token_id] = token if special else self._text(token_id)
        return text

    def raw(self, token_id: int) -> bytes:
        """Return the token's bytes in UTF-8, those of a part of a character too where the tokenizer has such tokens."""
        if self._table is None or token_id in self._vocabulary.special_ids:
            return self[token_id].encode()
        text = self._table[token_id]
        return self._table.raw[token_id] if text is None else text.encode()

    def _text(self, token_id: int) -> str:
        if self._table is not None:
            return self.raw(token_id).decode("utf-8", "replace")
        decode, anchor = self._vocabulary.tokenizer.decode, list(self._vocabulary.anchor)
        before: str = decode(anchor, False)
        text: str = decode([*anchor, token_id], False)
        # A decoder that treats tokens otherwise in company than alone is asked again.
        return text[len(before) :] if text.startswith(before) else str(decode([token_id], False))
