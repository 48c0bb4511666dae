"""Names that differ between releases of the executor's bindings, the newest first.

The classes themselves are asked which one they have: their attributes are named as their arguments (read in 0.9 to
1.2), and between 0.17 and 1.2 not every release could be read.
"""

from __future__ import annotations

MAX_TOKENS = ("max_tokens", "max_new_tokens")
"""Of Request: the old name alone until 0.12, both in 0.13 to 0.17, the new one alone in 1.x."""

SEED = ("seed", "random_seed")
"""Of SamplingConfig: the old name alone until 0.12, both from 0.13 on, the new one alone in 1.x."""

MIN_TOKENS = ("min_tokens", "min_length")
"""Of SamplingConfig, as `SEED`."""

MIN_P = "min_p"
"""Of SamplingConfig, 1.x only."""

NUM_RETURN_SEQUENCES = "num_return_sequences"
"""Of SamplingConfig from 0.15 on: how many of a request's beams come back."""


def known(owner: type, names: tuple[str, ...]) -> str:
    """Return the first of `names` that a class of the library has; the oldest where it tells nothing."""
    return next((name for name in names if hasattr(owner, name)), names[-1])
