"""Rank 0's replies on the other ranks, for versions of DJL that ask every rank and take the last one's answer.

DJL 0.25 to 0.29 with a rolling_batch other than trtllm does so, and waits for all; the others ask rank 0 alone. A rank
that is asked says so once, and is sent every reply from then on. Until then rank 0 only remembers its last one: DJL
never lets it get more than one reply ahead. Replies are counted, so that both sides speak of the same call.
"""

from __future__ import annotations

import logging
import time
from typing import cast

from djl_trtllm.errors import RankError
from djl_trtllm.ranks.mailbox import Kind
from djl_trtllm.ranks.mpi_team import MpiTeam

logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 0.0005, 0.01

_LAST_REPLY = 0.1
"""Seconds in which rank 0's reply to a call that the team's failure has met is still waited for."""


class Given:
    """Rank 0's side."""

    def __init__(self, team: MpiTeam) -> None:
        self._mailbox = team.mailbox
        self._last: tuple[int, object] = (0, None)
        self._askers: tuple[int, ...] = ()
        team.listen(self._look)

    def answered(self, reply: object) -> None:
        """Take note of the reply to a call."""
        self._last = last = (self._last[0] + 1, reply)
        for rank in self._askers:
            self._mailbox.send(rank, Kind.REPLY, last)

    def _look(self) -> None:
        while (letter := self._mailbox.poll(Kind.ASK)) is not None:
            rank, wanted = letter
            self._askers = (*self._askers, rank)
            logger.info("DJL asks rank %d too; it gets every reply", rank)
            # It may be sent twice where it is being answered right now; the count tells.
            last = self._last
            if last[0] == wanted:
                self._mailbox.send(rank, Kind.REPLY, last)


class Taken:
    """The side of a rank that DJL asks."""

    def __init__(self, team: MpiTeam) -> None:
        self._team = team
        self._mailbox = team.mailbox
        self._calls = 0

    def next(self) -> object:
        """Return what rank 0 replies, or has replied, to this call. Raises `RankError` when the team has failed."""
        self._calls += 1
        if self._calls == 1:
            self._mailbox.send(0, Kind.ASK, 1)
        pause = _FIRST_PAUSE
        failed_at: float | None = None
        while True:
            letter = self._mailbox.poll(Kind.REPLY)
            if letter is None:
                if self._team.failure is not None:
                    failed_at = failed_at or time.monotonic()
                    if time.monotonic() - failed_at > _LAST_REPLY:
                        raise self._team.failure
                time.sleep(pause)
                pause = min(pause * 1.5, _LONGEST_PAUSE)
                continue
            number, reply = cast("tuple[int, object]", letter[1])
            if number == self._calls:
                return reply
            if number > self._calls:
                raise RankError(f"Rank 0 is at reply {number}, rank {self._team.rank} at {self._calls}.")
