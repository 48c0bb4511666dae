"""The ranks that compute the tokens together: each one answers its share of the bits of every position."""

from __future__ import annotations

from collections.abc import Sequence

from tests.contract.tensorrt_llm_stand_in.behaviours import tokens

Wanted = Sequence[tuple[int, int]]


def share(wanted: Wanted, rank: int, world: int) -> list[int]:
    """Return a rank's bits of each state and position: every `world`-th bit, those that are its own."""
    mine = sum(1 << bit for bit in range(rank, 64, world))
    return [tokens.bits(state, position) & mine for state, position in wanted]


class Alone:
    """A world of one rank."""

    rank = 0

    def draw(self, wanted: Wanted) -> list[int]:
        """Return the bits for each state and position."""
        return share(wanted, 0, 1)

    def close(self) -> None:
        """Nothing to close."""
