"""A model's tokens as what enforces guides wants them: by id, beside the tokenizer that says how they become text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FILE = "tokenizer.json"
_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`tokens` by id as the tokenizer spells them, "" for an id that must never come: no token, or a special one.

    `tokenizer` is tokenizer.json, from which xgrammar tells whether tokens are bytes, pieces or plain text. `stops` end
    an answer that is complete. `whole` says that the ids go from 0 without a gap to the last one.
    """

    tokens: Sequence[str]
    tokenizer: str
    stops: Sequence[int]
    whole: bool


def read(directory: Path, stops: Sequence[int], size: int) -> Vocabulary:
    """Read tokenizer.json of a directory; `size` is how many ids the model has. Raises OSError and ValueError.

    Uses `tokenizers` alone. A special token's text never counts as text: inside a JSON string it would end the turn.
    """
    from tokenizers import Tokenizer

    text = (directory / FILE).read_text(encoding="utf-8")
    try:
        found = Tokenizer.from_str(text).get_vocab(with_added_tokens=True)
    except Exception as error:  # it has no class of its own
        raise ValueError(f"{FILE} cannot be read") from error
    last = max(found.values(), default=-1)
    tokens = [""] * min(size, last + 1)
    for token, number in found.items():
        if number < len(tokens):
            tokens[number] = token
    for number in _special(text) - set(stops):
        if number < len(tokens) and not _BYTE.fullmatch(tokens[number]):
            tokens[number] = ""
    return Vocabulary(
        tokens=tokens,
        tokenizer=text,
        stops=[stop for stop in stops if stop < len(tokens)],
        whole=last < size and len(set(found.values())) == last + 1,
    )


def _special(text: str) -> set[int]:
    added = json.loads(text).get("added_tokens") or ()
    return {token["id"] for token in added if token.get("special")}
