"""The texts on which a quantised model is compared: the user's calibration file, or some that come with the package.

None of the passages is among those of `calibration`, or quantisation would be measured on what it was fitted to.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from blake3 import blake3

from djl_trtllm.engines.building import calibration
from djl_trtllm.errors import CompileError

MOST_TOKENS = 512
"""Tokens of all texts together: a forward pass over each is what measuring costs."""

SHORTEST_CUT, LONGEST = 32, 128
"""Texts share `MOST_TOKENS` evenly, within these: the logits of a text are [tokens, vocabulary] floats at once."""

_LINES = 256
_SHORTEST = 2

BUILT_IN = (
    "The lighthouse keeper climbed the stairs every evening at six. She trimmed the wick, wiped the salt from the glass"
    " and wrote one line in the log: wind, sea, and the name of any ship that passed.",
    "def binary_search(items, target):\n    low, high = 0, len(items) - 1\n    while low <= high:\n        middle ="
    " (low + high) // 2\n        if items[middle] == target:\n            return middle\n        if items[middle] <"
    " target:\n            low = middle + 1\n        else:\n            high = middle - 1\n    return -1\n",
    "Shopping list:\n- 2 litres of milk\n- 500 g of flour\n- a dozen eggs\n- butter\n- apples, if they are cheap\n\n"
    "To do:\n1. Call the bank\n2. Water the plants\n3. Return the library books\n",
    "Question: What is the difference between a virus and a bacterium?\nAnswer: A bacterium is a living cell that can"
    " multiply by itself. A virus is much smaller and needs the cells of a host to make copies of itself.",
    "Water boils at a lower temperature on a mountain because the pressure of the air is lower there. At sea level it"
    " boils at 100 degrees Celsius; at 3,000 metres it boils at about 90.",
    "Am Montag fährt der erste Zug um fünf Uhr dreißig. Wer später kommt, muss eine Stunde warten, denn am Morgen sind"
    " die Züge in beide Richtungen voll.",
    "La petite ville dormait encore quand le facteur arriva sur la place. Il posa son vélo contre le mur de la mairie"
    " et regarda le ciel : il allait pleuvoir.",
    "El tren salió tarde y llegamos a Sevilla de noche. Las calles estaban llenas de gente, de música y de olor a"
    " naranjas.",
    "Вчера мы ходили в лес за грибами. Утром шёл дождь, но днём выглянуло солнце.",
    "今天天气很好。我们一起去公园散步。公园里有很多花。",
    '{"name": "Ada", "born": 1815, "fields": ["mathematics", "computing"], "address": {"city": "London", "country":'
    ' "England"}, "active": false}',
    "user: How do I undo the last commit in git without losing my changes?\nassistant: Use `git reset --soft HEAD~1`."
    " It moves the branch back by one commit and keeps your changes staged.",
)


def texts(file: str | None) -> list[str]:
    """Return the texts to compare on: the first lines of option.calib_dataset, or the built-in ones.

    Raises `CompileError` for a file that is not there or has nothing usable.
    """
    if file is None:
        return list(BUILT_IN)
    return calibration.texts(str(calibration.calibration_file(file)), _LINES)


def token_ids(samples: Sequence[str], tokenizer: Any) -> list[list[int]]:
    """Return the ids of as many texts as fit into `MOST_TOKENS`, each cut to its share, none of a single token.

    `tokenizer` is a `tokenizers.Tokenizer`. Raises `CompileError` where no text has two tokens.
    """
    found: list[list[int]] = []
    share, left = min(max(SHORTEST_CUT, MOST_TOKENS // len(samples)), LONGEST), MOST_TOKENS
    for row in tokenizer.encode_batch(list(samples)):
        ids = row.ids[: min(share, left)]
        if len(ids) >= _SHORTEST:
            found.append(ids)
            left -= len(ids)
    if not found:
        raise CompileError(
            "The texts to compare on have no two tokens: give longer ones as option.calib_dataset."
        )
    return found


def digest(texts_ids: Sequence[Sequence[int]]) -> str:
    """Return 16 hex digits of BLAKE3 that say which tokens a model was compared on."""
    return str(blake3(repr([list(ids) for ids in texts_ids]).encode()).hexdigest(8))


def tokenizer_of(directory: Path) -> Any:
    """Return the tokenizer of a compiled model, which neither pads nor cuts."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
