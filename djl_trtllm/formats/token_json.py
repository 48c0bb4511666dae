"""One token as LMI shows it: `{"id": 42, "text": " hi", "log_prob": -0.25}`.

Everything but the log-prob is the same whenever a token says the same, so it is written once and kept.
"""

from __future__ import annotations

from json.encoder import encode_basestring

LEAST, MOST = -1e30, 1e30
"""Log-probs beyond these, and NaN, are no numbers that JSON can carry: null."""

_LINE_ENDS = (("\x85", "\\u0085"), ("\u2028", "\\u2028"), ("\u2029", "\\u2029"))


def quote(text: str) -> str:
    """A JSON string on one line: non-ASCII characters as they are, but none that a client takes for a line's end."""
    quoted = encode_basestring(text)
    if not quoted.isascii():
        for line_end, escaped in _LINE_ENDS:
            if line_end in quoted:
                quoted = quoted.replace(line_end, escaped)
    return quoted


class TokenJson:
    """The tokens of one vocabulary. Shared by all requests and threads.

    `known` maps an id to (text, opening, closing): the log-prob goes between the last two. It holds for that very
    text only; at most one text per id is kept, so it never has more entries than the vocabulary.
    """

    __slots__ = ("_special_ids", "known")

    def __init__(self, special_ids: frozenset[int]) -> None:
        self._special_ids = special_ids
        self.known: dict[int, tuple[str, str, str]] = {}

    def spell(self, token: int, text: str) -> tuple[str, str, str]:
        """Return the entry of a token that says `text`, and keep it if it is the token's first."""
        closing = ',"special_token":true}' if token in self._special_ids else "}"
        entry = (text, f'{{"id":{token},"text":{quote(text)},"log_prob":', closing)
        self.known.setdefault(token, entry)
        return entry

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
