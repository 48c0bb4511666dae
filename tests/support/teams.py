"""Teams of ranks that are threads of one process, for tests of what ranks do together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from djl_trtllm.errors import DjlTrtllmError, RankError


class Meeting:
    """What the ranks of one team have in common."""

    def __init__(self, size: int) -> None:
        self.barrier = threading.Barrier(size)
        self.value: object = None
        self.failure: RankError | None = None


class ThreadTeam:
    """A `Team` whose ranks are threads. The first failure is everybody's, as over MPI."""

    def __init__(self, rank: int, size: int, meeting: Meeting) -> None:
        self.rank = rank
        self.size = size
        self._meeting = meeting

    def within(self, seconds: float) -> None:
        pass

    def share(self, value: object, *, patient: bool = False) -> object:
        if self.rank == 0:
            self._meeting.value = value
        self._wait()
        shared = self._meeting.value
        self._wait()
        return shared

    def agree(self, error: DjlTrtllmError | None = None) -> None:
        if error is not None:
            if self._meeting.failure is None:
                self._meeting.failure = RankError(f"Rank {self.rank} failed: {error}")
            self._meeting.barrier.abort()
            raise error
        self._wait()

    def check(self) -> None:
        if self._meeting.failure is not None:
            raise self._meeting.failure

    def _wait(self) -> None:
        try:
            self._meeting.barrier.wait(30)
        except threading.BrokenBarrierError:
            raise self._meeting.failure or RankError("A rank did not come.") from None


def together(size: int, work: Callable[[ThreadTeam], None]) -> Sequence[BaseException | None]:
    """Do `work` on every rank at once; return what each raised."""
    meeting = Meeting(size)
    raised: list[BaseException | None] = [None] * size

    def rank(number: int) -> None:
        try:
            work(ThreadTeam(number, size, meeting))
        except BaseException as error:
            raised[number] = error

    threads = [threading.Thread(target=rank, args=(number,)) for number in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return raised
