"""One token as LMI shows it: `{"id": 42, "text": " hi", "log_prob": -0.25}`.

Everything but the log-prob is the same whenever a token says the same, so it is written once and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain, repeat

from djl_trtllm.core import Alternatives
from djl_trtllm.formats.quoting import LEAST, MOST, array, quote


def padded(logprobs: Sequence[float | None] | None) -> Iterable[float | None]:
    """Log-probs and then nulls without end: a tail that belongs to no token has none."""
    return chain(logprobs or (), repeat(None))


class TokenJson:
    """The tokens of one vocabulary. Shared by all requests and threads.

    `known` maps an id to (text, opening, closing): the log-prob goes between the last two. It holds for that very
    text only; at most one text per id is kept, so it never has more entries than the vocabulary.
    """

    __slots__ = ("_special_ids", "_token_text", "known")

    def __init__(self, special_ids: frozenset[int], token_text: Callable[[int], str]) -> None:
        self._special_ids = special_ids
        self._token_text = token_text
        self.known: dict[int, tuple[str, str, str]] = {}

    def spell(self, token: int, text: str) -> tuple[str, str, str]:
        """Return the entry of a token that says `text`, and keep it if it is the token's first."""
        entry = (text, *self._around(token, text))
        self.known.setdefault(token, entry)
        return entry

    def _around(self, token: int, text: str) -> tuple[str, str]:
        closing = ',"special_token":true}' if token in self._special_ids else "}"
        return f'{{"id":{token},"text":{quote(text)},"log_prob":', closing

    def whole(self, token: int, text: str, log_prob: float | None) -> str:
        """Return the token's object. The key log_prob is always there, null where none was asked for.

        Six decimals are what a 32-bit float can promise; writing all 17 digits would cost more than the rest.
        """
        known = self.known.get(token)
        if known is None or known[0] != text:
            known = self.spell(token, text)
        if log_prob is not None and LEAST < log_prob < MOST:
            return f"{known[1]}{log_prob:.6f}{known[2]}"
        return f"{known[1]}null{known[2]}"

    def all(self, tokens: Sequence[int], texts: Sequence[str], logprobs: Sequence[float] | None) -> str:
        """Return a list of generated tokens with the text each of them released."""
        return array(map(self.whole, tokens, texts, padded(logprobs)))

    def prompt(self, tokens: Sequence[int], logprobs: Sequence[float | None]) -> str:
        """Return a list of prompt tokens, each with its own text."""
        return array(map(self._own, tokens, logprobs))

    def alternatives(self, tops: Alternatives) -> str:
        """Return the list of a position's likeliest tokens, each with its own text."""
        return array(self._own(token, log_prob) for token, log_prob in tops)

    def _own(self, token: int, log_prob: float | None) -> str:
        return self.whole(token, self._token_text(token), log_prob)
