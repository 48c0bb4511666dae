"""Letters between ranks that are threads of one process."""

from __future__ import annotations

import pickle
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from djl_trtllm.ranks.mailbox import Kind
from djl_trtllm.ranks.mpi_team import MpiTeam

ResultT = TypeVar("ResultT")


class Post:
    """The mailboxes of `size` ranks. `lost` ranks get nothing and their letters vanish."""

    def __init__(self) -> None:
        self.lost: set[int] = set()
        self.sent = 0
        self._boxes: dict[tuple[int, Kind], deque[tuple[int, bytes]]] = defaultdict(deque)

    def mailbox(self, rank: int) -> Mailbox:
        return Mailbox(self, rank)

    def deliver(self, sender: int, to: int, kind: Kind, value: object) -> None:
        if not {sender, to} & self.lost:
            self.sent += 1
            self._boxes[to, kind].append((sender, pickle.dumps(value)))

    def fetch(self, rank: int, kind: Kind) -> tuple[int, object] | None:
        try:
            sender, data = self._boxes[rank, kind].popleft()
        except IndexError:
            return None
        return sender, pickle.loads(data)


class Mailbox:
    def __init__(self, post: Post, rank: int) -> None:
        self._post = post
        self._rank = rank

    def send(self, to: int, kind: Kind, value: object) -> None:
        self._post.deliver(self._rank, to, kind, value)

    def poll(self, kind: Kind) -> tuple[int, object] | None:
        return self._post.fetch(self._rank, kind)


_made: list[MpiTeam] = []


def teams(size: int, seconds: float = 20.0) -> list[MpiTeam]:
    """Make `size` ranks of one team, each to be used from a thread of its own."""
    post, now = Post(), time.monotonic()
    made = [MpiTeam(post.mailbox(rank), rank, size, seconds, now) for rank in range(size)]
    _made.extend(made)
    return made


def close() -> None:
    """End the threads of all teams made so far."""
    while _made:
        _made.pop().leave()


def everywhere(
    ranks: list[MpiTeam], work: Callable[[MpiTeam], ResultT], wait: float = 20.0
) -> list[ResultT | Exception]:
    """Do `work` on every rank at once; what each returned or raised, by rank."""
    results: list[Future[ResultT]] = [Future() for _ in ranks]

    def do(team: MpiTeam) -> None:
        try:
            results[team.rank].set_result(work(team))
        except Exception as error:
            results[team.rank].set_exception(error)

    for team in ranks:
        threading.Thread(target=do, args=(team,), daemon=True).start()
    return [result.exception(wait) or result.result() for result in results]  # type: ignore[return-value]
