"""Biases as the tensor that the library adds to a request's logits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

STRONGEST = 10_000.0
"""A bias beyond it changes nothing more, and float16 has no number for those much beyond."""


def tensor(bias: Iterable[tuple[int, float]], vocab_size: int, dtype: str) -> Any:
    """Return a tensor [vocab_size]. `dtype` is that of the logits: another one fails in the step, with all that runs.

    Float32 [vocab_size] is what the documentation of the executor and of the LLM API says, and float32 the type of an
    engine's logits unless it was built otherwise. An id that comes twice has the sum.
    """
    import torch

    sums: dict[int, float] = {}
    for token, value in bias:
        sums[token] = sums.get(token, 0.0) + value
    made = torch.zeros(vocab_size, dtype=getattr(torch, dtype))
    values = [min(max(value, -STRONGEST), STRONGEST) for value in sums.values()]
    made[list(sums)] = torch.tensor(values, dtype=made.dtype)
    return made
