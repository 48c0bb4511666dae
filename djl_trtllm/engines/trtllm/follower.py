"""The part of a rank other than 0 in an engine: it opens when rank 0 says so and computes until rank 0 closes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from djl_trtllm.core import CompiledModel, Team
from djl_trtllm.engines.base import Follower
from djl_trtllm.engines.trtllm import openings
from djl_trtllm.engines.trtllm.executor import construct, shared_tokens
from djl_trtllm.engines.trtllm.openings import Opening
from djl_trtllm.engines.trtllm.versions import installed
from djl_trtllm.errors import RankError

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options


def follower(model: CompiledModel, options: Options, team: Team) -> Follower:
    """Make the follower of the installed release, not yet open."""
    release = installed()
    if release is not None and (release.major, release.minor) < (0, 9):
        from djl_trtllm.engines.trtllm.gpt_follower import GptManagerFollower

        return GptManagerFollower(model, options, team)
    return ExecutorFollower(model, options, team)


class ExecutorFollower:
    """A `Follower` over `bindings.executor.Executor`, which computes in threads of its own."""

    def __init__(self, model: CompiledModel, options: Options, team: Team) -> None:
        self._model = model
        self._options = options
        self._team = team
        self._executor: Any = None

    def open(self) -> None:
        """Wait for rank 0 and open this rank's part together with it. Raises `LoadError`."""
        if not openings.follow(self._team, self._options, self._construct, again=False):
            raise RankError("Rank 0 closed the engine before it was open.")

    def run(self) -> None:
        """Be there until rank 0 closes a sound engine; open another one after each that broke."""
        while True:
            executor, self._executor = self._executor, None
            # Comes back when rank 0 shuts its own down (leader mode, 0.9 and later).
            executor.shutdown()
            # Two engines of one rank would not fit into its memory.
            del executor
            if not openings.follow(self._team, self._options, self._construct, again=True):
                return

    def _construct(self) -> None:
        opening = Opening.of(self._model, self._options, self._team)
        tokens = shared_tokens(self._team, None)
        self._executor = construct(self._model, opening, self._team, tokens)
