"""Several ranks that do one thing: they share what rank 0 decides, wait for each other, and fail together.

The first failure anywhere is told to every rank at once, whatever each is doing: a thread listens for it. No wait is
longer than the phase's deadline, and none spins: pauses grow from one millisecond to fifty.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress

from djl_trtllm.errors import DjlTrtllmError, RankError
from djl_trtllm.ranks.mailbox import Kind, Mailbox
from djl_trtllm.ranks.neighbours import Neighbours, end_of, named

logger = logging.getLogger(__name__)

LISTEN_EVERY = 0.2
"""Seconds between two looks for a failure of another rank."""

LEADER_FIRST = 1.0
"""Seconds by which the others wait longer than rank 0, so that it is rank 0 that names who is missing."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05


class MpiTeam:
    """A `Team` of several ranks. Its first phase takes at most `timeout` seconds from `started` on.

    `ending` says that mpirun is ending this rank: what is left to say must be said at once.
    """

    def __init__(self, mailbox: Mailbox, rank: int, size: int, timeout: float, started: float) -> None:
        self.rank = rank
        self.size = size
        self._mailbox = mailbox
        self._others = [other for other in range(size) if other != rank]
        self._lock = threading.Lock()
        self._failure: RankError | None = None
        self._heard: RankError | None = None
        self._watchers: list[Callable[[RankError], None]] = []
        self._listening: list[Callable[[], None]] = [self._hear]
        self._seconds = timeout
        self._deadline = started + timeout
        self._left = threading.Event()
        self._neighbours = Neighbours(mailbox, rank)
        self.ending = False
        threading.Thread(target=self._listen, name="ranks", daemon=True).start()

    def within(self, seconds: float) -> None:
        """Begin a phase that may take so long."""
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds

    def share(self, value: object, *, patient: bool = False) -> object:
        """Return rank 0's value on every rank."""
        if self.rank == 0:
            self._raise_failure()
            self._to_all(Kind.VALUE, value)
            return value
        return self._from_leader(Kind.VALUE, patient)

    def agree(self, error: DjlTrtllmError | None = None) -> None:
        """Wait for every rank, or tell them that this one has failed."""
        if error is not None:
            if self._heard:  # it may only be what the other rank's failure has led to
                raise self._heard from error
            self.fail(error)
            raise error
        if self.rank == 0:
            self._gather()
            self._to_all(Kind.GO, None)
        else:
            self._mailbox.send(0, Kind.HERE, None)
            self._from_leader(Kind.GO, patient=False)

    def check(self) -> None:
        """Raise where another rank has failed, or this one is too late."""
        self._raise_failure()
        if time.monotonic() > self._deadline:
            raise self.late()

    def late(self) -> RankError:
        """Make the error of a rank that knows itself that it is too slow."""
        return RankError(
            f"Rank {self.rank} was not done after {self._seconds:g} s (option.rank_timeout). If the work is only "
            "long, raise option.model_loading_timeout and rank_timeout with it."
        )

    @property
    def failure(self) -> RankError | None:
        """What made the team fail; None while all is well."""
        return self._failure

    @property
    def heard(self) -> RankError | None:
        """The failure of another rank, where that came first."""
        return self._heard

    @property
    def overdue(self) -> float:
        """Seconds since the phase should have been over; negative before."""
        return time.monotonic() - self._deadline

    def fail(self, error: DjlTrtllmError) -> None:
        """Tell every other rank that this one has failed. Only a team's first failure is told. Never raises."""
        failure = _named(self.rank, error)
        if self._fails(failure):
            for other in self._others:
                with suppress(Exception):  # a rank that is gone needs no telling
                    self._mailbox.send(other, Kind.FAILURE, failure)
            # They hear of it before they meet what this rank tidies up.
            time.sleep(2 * LISTEN_EVERY)

    def ends(self) -> None:
        """Fail because mpirun ends this rank, as it does when another one has died."""
        failure = RankError(end_of(self._neighbours.gone()))
        self.ending = True
        self._takes(failure)

    def on_failure(self, watcher: Callable[[RankError], None]) -> None:
        """Have `watcher` called, once, from a thread of the team's, when another rank fails."""
        with self._lock:
            self._watchers.append(watcher)
            failure = self._failure
        if failure is not None:
            watcher(failure)

    def listen(self, look: Callable[[], None]) -> None:
        """Have `look` called every `LISTEN_EVERY` seconds from the team's thread."""
        self._listening.append(look)

    def leave(self) -> None:
        """Listen no more. A process that ends, ends without this."""
        self._left.set()

    @property
    def mailbox(self) -> Mailbox:
        """Where the team's letters go; kinds that this class does not use are free for others."""
        return self._mailbox

    def _to_all(self, kind: Kind, value: object) -> None:
        for other in self._others:
            self._mailbox.send(other, kind, value)

    def _from_leader(self, kind: Kind, patient: bool) -> object:
        letter = self._await(kind, None if patient else self._deadline + LEADER_FIRST)
        if letter is None:
            raise self._missing([0])
        return letter[1]

    def _gather(self) -> None:
        missing = set(self._others)
        while missing:
            letter = self._await(Kind.HERE, self._deadline)
            if letter is None:
                raise self._missing(missing)
            missing.discard(letter[0])

    def _await(self, kind: Kind, deadline: float | None) -> tuple[int, object] | None:
        """Wait for a letter; None at the deadline. Raises where another rank has failed."""
        pause = _FIRST_PAUSE
        while True:
            letter = self._mailbox.poll(kind)
            if letter is not None:
                return letter
            self._raise_failure()
            if deadline is not None and time.monotonic() > deadline:
                return None
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_PAUSE)

    def _missing(self, ranks: Collection[int]) -> RankError:
        error = RankError(f"{named(ranks)} did not answer within {self._seconds:g} s.")
        self.fail(error)
        return error

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _listen(self) -> None:
        while not self._left.wait(LISTEN_EVERY):
            for look in list(self._listening):
                with suppress(Exception):  # MPI may be gone already when a process ends
                    look()

    def _hear(self) -> None:
        letter = self._mailbox.poll(Kind.FAILURE)
        if letter is None:
            return
        if isinstance(letter[1], RankError):
            self._takes(letter[1])

    def _takes(self, failure: RankError) -> None:
        """Take a failure that is not this rank's own, and pass it on to who watches."""
        if self._fails(failure):
            self._heard = failure
            logger.error("%s", failure)
            for watcher in self._watchers:
                watcher(failure)

    def _fails(self, failure: RankError) -> bool:
        """Keep the first failure; whether this is it."""
        with self._lock:
            if self._failure is not None:
                return False
            self._failure = failure
            return True


def _named(rank: int, error: DjlTrtllmError) -> RankError:
    """Put the rank before an error; its status stays, because DJL reads 507 as out of memory."""
    if isinstance(error, RankError):
        return error
    first, *more = error.problems
    named = RankError(f"Rank {rank} failed: {first}", *more)
    named.status = error.status
    return named
