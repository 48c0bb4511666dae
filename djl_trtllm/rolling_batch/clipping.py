"""The end, or the beginning, of a long text as token ids, without encoding all of it.

Encoding takes a hundred bytes and more for a byte of text, and nobody asks for what is clipped. Tokens depend on their
neighbourhood only: two parts of the text that begin at different places and give the same ids give those of the whole.
"""

from __future__ import annotations

from collections.abc import Callable

_LEAST = 16 * 1024
_CHARACTERS = 16
"""Characters to begin with, and for each token that is wanted; few tokens have more."""
_MOST = 128 * 1024
"""Characters after which a text whose parts do not agree, as one without any blanks, is taken as the last part says."""


def clipped(
    encode: Callable[[str, bool], list[int]], text: str, special: bool, wanted: int, *, end: bool
) -> list[int]:
    """Return ids whose last `wanted`, or first ones where it is not the `end`, are those of `text`.

    They are all of its ids where it is not long. `encode` takes a text and whether to add special tokens.
    """
    size = max(_LEAST, _CHARACTERS * wanted)
    while True:
        longer = size + size // 8
        if longer >= len(text):
            return encode(text, special)
        ids = encode(_part(text, size, end), special)
        more = encode(_part(text, longer, end), special)
        enough = len(ids) > wanted + 1
        if enough and (ids[-wanted:] == more[-wanted:] if end else ids[:wanted] == more[:wanted]):
            return ids
        if enough and size >= _MOST:
            return more
        size *= 4


def _part(text: str, size: int, end: bool) -> str:
    return text[-size:] if end else text[:size]
