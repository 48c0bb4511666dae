"""Biases as the tensor that the library adds to a request's logits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

STRONGEST = 10_000.0
"""A bias beyond it changes nothing more, and float16 has no number for those much beyond."""


def tensor(bias: Iterable[tuple[int, float]], vocab_size: int, dtype: str) -> Any:
    """Return a tensor [vocab_size]. `dtype` is that of the logits: another one fails in the step, with all that runs.

    The batch managers' decoder checks the length against the engine's vocab_size, not padded, and takes the type of the
    logits (and, later, float32 for float16), as was read in several of their releases; the LLM API says float32. An id
    that comes twice has the sum.
    """
    import torch

    sums: dict[int, float] = {}
    for token, value in bias:
        sums[token] = sums.get(token, 0.0) + value
    made = torch.zeros(vocab_size, dtype=getattr(torch, dtype))
    values = [min(max(value, -STRONGEST), STRONGEST) for value in sums.values()]
    made[list(sums)] = torch.tensor(values, dtype=made.dtype)
    return made
