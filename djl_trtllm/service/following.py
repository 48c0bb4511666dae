"""A rank other than 0: it runs its part of the engine in a thread, and repeats what rank 0 replies if DJL asks it."""

from __future__ import annotations

import logging
import threading

from djl_trtllm.engines.base import Follower
from djl_trtllm.errors import DjlTrtllmError, RankError
from djl_trtllm.options.table import Options
from djl_trtllm.ranks import ending
from djl_trtllm.ranks.mpi_team import MpiTeam
from djl_trtllm.ranks.replies import Taken

log = logging.getLogger(__name__)


class Following:
    """What `service.load` returns there, the engine opened. `options` is what it was loaded with."""

    def __init__(self, options: Options, team: MpiTeam, follower: Follower) -> None:
        self.options = options
        self._team = team
        self._follower = follower
        self._taken = Taken(team)
        self._thread = threading.Thread(target=self._run, name="follow", daemon=True)
        self._thread.start()
        team.on_failure(self._end)

    def reply(self) -> object:
        """Return rank 0's reply to the call that DJL made on this rank too. Raises `RankError`."""
        return self._taken.next()

    def wait(self) -> None:
        """Wait until rank 0 closes the engine. A failure ends the process instead."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self._follower.run()
        except DjlTrtllmError as error:
            self._team.fail(error)
            self._end(error)
        except Exception as error:
            log.exception("this rank's part of the engine failed")
            failure = ending.unexpected(error)
            self._team.fail(failure)
            self._end(failure)

    def _end(self, error: DjlTrtllmError) -> None:
        reason = str(error) if isinstance(error, RankError) else f"Its part of the engine failed: {error}"
        ending.end(self._team.rank, reason)
