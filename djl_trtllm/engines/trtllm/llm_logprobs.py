"""Log-probabilities as the LLM API tells them, one for each token of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from djl_trtllm.engines.trtllm.sequences import NO_LOGPROB


def values(told: Sequence[Any] | None, tokens: Sequence[int], start: int) -> list[float] | None:
    """Return the log-probs of `tokens[start:]`; None where the library told none.

    An entry is a number, or a map from token ids, with the sampled one among them, to objects with `logprob`.
    """
    if not told:
        return None
    found = [_value(entry, token) for entry, token in zip(told[start:], tokens[start:], strict=False)]
    return found + [NO_LOGPROB] * (len(tokens) - start - len(found))


def _value(entry: Any, token: int) -> float:
    if isinstance(entry, Mapping):
        entry = entry.get(token)
    if entry is None:
        return NO_LOGPROB
    return float(getattr(entry, "logprob", entry))
