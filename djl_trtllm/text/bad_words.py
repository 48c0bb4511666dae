"""Token runs that spell a text inside an output: what an engine needs to keep the text from coming.

An engine knows tokens only, so it is kept from the usual spellings of a text and not from every one: most texts can
also be spelled in shorter tokens.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence

Run = tuple[int, ...]

_BEFORE = ("", "\n", "a", ".")
"""Texts after which a text is spelled as inside an output. Some tokenizers put a blank before what comes first."""


def runs(
    text: str, encode: Callable[[Sequence[str]], Sequence[Run]], decode: Callable[[Run], str]
) -> tuple[Run, ...]:
    """Return the runs that say `text`, and those that say it after a blank unless it begins with one itself.

    `encode` adds no special tokens; `decode` says what a run says inside a text. No runs where none is known.
    """
    texts = _with_blank(text)
    wanted = {_form(one) for one in texts}
    ids = encode([*_BEFORE, *(before + one for before in _BEFORE for one in texts)]) if texts else []
    contexts = [first for first in ids[: len(_BEFORE)] for _ in texts]
    found = [
        whole[len(first) :]
        for first, whole in zip(contexts, ids[len(_BEFORE) :], strict=True)
        if whole[: len(first)] == first
    ]
    return tuple(run for run in dict.fromkeys(found) if run and _form(decode(run)) in wanted)


def _with_blank(text: str) -> Sequence[str]:
    if not text:
        return []
    return [text] if text[0].isspace() else [text, f" {text}"]


def _form(text: str) -> str:
    """What stays of a text whichever way a tokenizer normalises it."""
    return unicodedata.normalize("NFKC", text).casefold()
