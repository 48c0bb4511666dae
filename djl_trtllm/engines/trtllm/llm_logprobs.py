"""Log-probabilities as the LLM API tells them, one entry for each token of an answer.

An entry is a number, or a map from token ids, with the sampled one among them, to objects with `logprob`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from djl_trtllm.core import Alternatives
from djl_trtllm.engines.trtllm.sequences import NO_LOGPROB


def values(told: Sequence[Any] | None, tokens: Sequence[int], start: int) -> list[float] | None:
    """Return the log-probs of `tokens[start:]`; None where the library told none."""
    if not told:
        return None
    found = [_value(entry, token) for entry, token in zip(told[start:], tokens[start:], strict=False)]
    return found + [NO_LOGPROB] * (len(tokens) - start - len(found))


def tops(told: Sequence[Any] | None, start: int, number: int) -> list[Alternatives] | None:
    """Return the `number` likeliest of each position from `start` on, best first.

    The library's maps are in no order, and have the sampled token besides the likeliest ones where it is none of them.
    What a guide forbids has no finite value and is left out.
    """
    return [_likeliest(entry, number) for entry in told[start:]] if told else None


def _likeliest(entry: Any, number: int) -> Alternatives:
    if not isinstance(entry, Mapping):
        return ()
    pairs = [(token, _number(one)) for token, one in entry.items()]
    finite = [pair for pair in pairs if math.isfinite(pair[1])]
    return sorted(finite, key=lambda pair: -pair[1])[:number]


def _value(entry: Any, token: int) -> float:
    if isinstance(entry, Mapping):
        entry = entry.get(token)
    if entry is None:
        return NO_LOGPROB
    return _number(entry)


def _number(one: Any) -> float:
    return float(getattr(one, "logprob", one))
