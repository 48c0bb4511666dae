"""What of requests is alive in this process, as the garbage collector knows it."""

from __future__ import annotations

import gc
from collections import Counter

_OURS = "djl_trtllm."
_CACHED = ("djl_trtllm.schemas.usual._Known",)
"""Of a fixed number of spellings of requests, not of a request."""


def alive() -> Counter[str]:
    """Return how many objects of each of the package's classes there are, after a collection."""
    gc.collect()
    kinds = (type(one) for one in gc.get_objects())
    found = Counter(
        f"{kind.__module__}.{kind.__qualname__}" for kind in kinds if str(kind.__module__).startswith(_OURS)
    )
    for name in _CACHED:
        del found[name]
    return found


def grown(before: Counter[str]) -> Counter[str]:
    """Return what there is more of than before."""
    return alive() - before


def told(found: Counter[str]) -> str:
    """Return what was found as words."""
    most = (f"{count} {name.rpartition('.')[2]}" for name, count in found.most_common(4))
    return ", ".join(most) or "nothing is left"
