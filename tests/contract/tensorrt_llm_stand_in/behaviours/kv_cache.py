"""The stand-in's KV cache: counts blocks, holds nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

PRETEND_TOKENS = 131072
"""What the whole memory of the pretended GPU holds."""
DEFAULT_FRACTION = 0.9


def capacity(max_tokens: int | None, fraction: float | None, memory: int = PRETEND_TOKENS) -> int:
    """Return how many tokens fit: the smaller of `max_tokens` and the fraction, 0.9 where neither is given."""
    if max_tokens is None or fraction is not None:
        share = int(memory * (DEFAULT_FRACTION if fraction is None else fraction))
        return share if max_tokens is None else min(share, max_tokens)
    return max_tokens


@dataclass(slots=True)
class KvCache:
    """Blocks by request. `reuse` counts whole blocks of prompts that were seen before; it frees nothing."""

    total: int
    tokens_per_block: int
    reuse: bool = False
    reused: int = 0
    allocated: int = 0
    held: dict[int, int] = field(default_factory=dict)
    seen: set[int] = field(default_factory=set)

    @property
    def used(self) -> int:
        """How many blocks are taken."""
        return sum(self.held.values())

    def blocks(self, tokens: int) -> int:
        """Return how many blocks hold so many tokens."""
        return -(-tokens // self.tokens_per_block)

    def take(self, owner: int, tokens: int) -> bool:
        """Make sure that `owner` has room for `tokens` in all. False, and nothing changed, where there is none."""
        wanted, has = self.blocks(tokens), self.held.get(owner, 0)
        if wanted <= has:
            return True
        if self.used - has + wanted > self.total:
            return False
        self.held[owner] = wanted
        self.allocated += wanted - has
        return True

    def free(self, owner: int) -> None:
        """Give back what `owner` has."""
        self.held.pop(owner, None)

    def remember(self, prompt: Sequence[int]) -> None:
        """Count the blocks of a prompt that an earlier one had too."""
        if self.reuse:
            size = self.tokens_per_block
            for end in range(size, len(prompt) + 1, size):
                key = hash(tuple(prompt[:end]))
                self.reused += key in self.seen
                self.seen.add(key)
