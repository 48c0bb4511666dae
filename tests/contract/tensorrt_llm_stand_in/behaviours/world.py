"""The ranks that compute the tokens together: each one answers its share of the bits of every position.

A token comes right only when every rank took part. In leader mode rank 0 says what is wanted and the others serve;
the managers of 0.8 are peers, each of which knows the requests, and have to want the same.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from tests.contract.tensorrt_llm_stand_in.behaviours import tokens
from tests.contract.tensorrt_llm_stand_in.behaviours.failures import StepFailed
from tests.contract.tensorrt_llm_stand_in.behaviours.wire import PeerGone, Wire

Wanted = Sequence[tuple[int, int]]


def share(wanted: Wanted, rank: int, world: int) -> list[int]:
    """Return a rank's bits of each state and position: every `world`-th bit, those that are its own."""
    mine = sum(1 << bit for bit in range(rank, 64, world))
    return [tokens.bits(state, position) & mine for state, position in wanted]


def joined(shares: Sequence[Sequence[int]]) -> list[int]:
    """Return the bits of each position from the shares of all ranks."""
    return [sum(parts) for parts in zip(*shares, strict=True)]


class Alone:
    """A world of one rank."""

    rank = 0

    def draw(self, wanted: Wanted) -> list[int]:
        """Return the bits for each state and position."""
        return share(wanted, 0, 1)

    def close(self) -> None:
        """Nothing to close."""


class Leader:
    """Rank 0 of several."""

    rank = 0

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def draw(self, wanted: Wanted) -> list[int]:
        """Return the bits for each state and position, from all ranks. Raises `StepFailed`."""
        if not wanted:
            return []
        followers = self._wire.others()
        for rank in followers:
            self._wire.send(rank, list(wanted))
        shares, errors = [share(wanted, 0, self._wire.size)], []
        for rank in followers:
            answer = self._receive(rank)
            if isinstance(answer, str):
                errors.append(f"[rank {rank}] {answer}")
            else:
                shares.append(answer)
        if errors:
            raise StepFailed("; ".join(errors))
        return joined(shares)

    def close(self) -> None:
        """Tell the others to end, and wait until they have; who is gone already is not waited for."""
        for rank in self._wire.others():
            self._wire.send(rank, None)
        for rank in self._wire.others():
            try:
                while self._wire.receive(rank) is not None:
                    continue
            except PeerGone:
                continue

    def _receive(self, rank: int) -> Any:
        try:
            return self._wire.receive(rank)
        except PeerGone as error:
            raise StepFailed(f"[TensorRT-LLM][ERROR] MPI: {error}") from None


class Follower:
    """A rank that answers from a thread of its own until the leader ends."""

    def __init__(self, wire: Wire, trip: Callable[[], None]) -> None:
        self.rank = wire.rank
        self._wire = wire
        self._trip = trip
        self._lost: str | None = None
        self._thread = threading.Thread(target=self._serve, name="tensorrt-llm-rank", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Wait until the leader has ended. Raises RuntimeError where it did so without a word."""
        self._thread.join()
        if self._lost is not None:
            raise RuntimeError(f"[TensorRT-LLM][ERROR] MPI: {self._lost}")

    def _serve(self) -> None:
        try:
            while (wanted := self._wire.receive(0)) is not None:
                self._wire.send(0, self._answer(wanted))
            self._wire.send(0, None)
        except PeerGone as error:
            self._lost = str(error)

    def _answer(self, wanted: Wanted) -> list[int] | str:
        try:
            self._trip()
        except Exception as error:
            return str(error)
        return share(wanted, self.rank, self._wire.size)


class Peer:
    """One of several ranks that all know what to compute: shares go to rank 0, and the whole comes back."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self.rank = wire.rank

    def draw(self, wanted: Wanted) -> list[int]:
        """Return the bits for each state and position. Raises `StepFailed`, also when the ranks want different ones."""
        mine = (list(wanted), share(wanted, self.rank, self._wire.size))
        try:
            whole = self._gather(mine) if self.rank == 0 else self._give(mine)
        except PeerGone as error:
            raise StepFailed(f"[TensorRT-LLM][ERROR] MPI: {error}") from None
        if whole is None:
            raise StepFailed("[TensorRT-LLM][ERROR] ranks have different requests")
        return whole

    def close(self) -> None:
        """Nothing to wait for: every rank ends by itself."""

    def _gather(self, mine: tuple[Any, list[int]]) -> list[int] | None:
        parts = [mine, *(self._wire.receive(rank) for rank in self._wire.others())]
        same = all(wanted == mine[0] for wanted, _ in parts)
        whole = joined([part for _, part in parts]) if same else None
        for rank in self._wire.others():
            self._wire.send(rank, (whole,))
        return whole

    def _give(self, mine: tuple[Any, list[int]]) -> list[int] | None:
        self._wire.send(0, mine)
        (whole,) = self._wire.receive(0)
        return whole  # type: ignore[no-any-return]
