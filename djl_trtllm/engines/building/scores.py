"""What a model makes of texts that it is given token by token, and how two models' results compare."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from djl_trtllm.compile.quality import Quality
from djl_trtllm.engines.building import quality_texts

_NOT_FINITE = "the quantised model gives numbers that are not finite"
_REFERENCE_NOT_FINITE = "the unquantised model gives numbers that are not finite"


class Scores(msgspec.Struct, frozen=True):
    """One text: its `ids`, and after each of them the likeliest next token, None where the logits are not finite.

    `log_probs` are natural logarithms of what the model gave to each token but the first; `None` as above.
    """

    ids: list[int]
    likeliest: list[int | None]
    log_probs: list[float | None]


def score(ids: Sequence[int], logits: Any) -> Scores:
    """Score one text; `logits` are [tokens, vocabulary], those after each of its tokens."""
    import numpy as np

    rows = np.asarray(logits, dtype=np.float32)
    finite = np.isfinite(rows).all(-1)
    safe = np.where(finite[:, None], rows, 0.0)
    likeliest = safe.argmax(-1)
    top = safe.max(-1, keepdims=True)
    total = np.log(np.exp(safe - top).sum(-1, dtype=np.float64)) + top[:, 0]
    following = safe[np.arange(len(ids) - 1), np.asarray(ids[1:])] - total[:-1]
    return Scores(
        list(ids),
        [int(token) if known else None for token, known in zip(likeliest, finite, strict=True)],
        [float(value) if known else None for value, known in zip(following, finite[:-1], strict=True)],
    )


def compare(reference: Sequence[Scores], candidate: Sequence[Scores]) -> Quality:
    """Return the figures of the quantised model, `candidate`, against those of the unquantised on the same texts."""
    pairs = [
        (theirs, ours)
        for one, other in zip(reference, candidate, strict=True)
        for theirs, ours in zip(one.likeliest, other.likeliest, strict=True)
    ]
    perplexity, plain = _perplexity(candidate), _perplexity(reference)
    notes = [
        text for text, value in ((_NOT_FINITE, perplexity), (_REFERENCE_NOT_FINITE, plain)) if value is None
    ]
    return Quality(
        agreement=agreement(pairs),
        perplexity=perplexity,
        reference_perplexity=plain,
        tokens=len(pairs),
        prompts=quality_texts.digest([scores.ids for scores in reference]),
        note=", and ".join(notes),
    )


def agreement(pairs: Sequence[tuple[int | None, int | None]]) -> float:
    """Return the share of pairs that are one token, with six digits. Two that are unknown do not agree."""
    return round(sum(one is not None and one == other for one, other in pairs) / len(pairs), 6)


def _perplexity(texts: Sequence[Scores]) -> float | None:
    values = [value for scores in texts for value in scores.log_probs]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    try:
        return float(f"{math.exp(-sum(known) / len(known)):.6g}")
    except OverflowError:
        return None
