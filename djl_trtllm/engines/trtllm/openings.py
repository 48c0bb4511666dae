"""How the ranks of one engine open it together, and let go of it again.

Rank 0 commands, the others follow: OPEN at the beginning and after every breakage, END when a sound engine is closed.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from djl_trtllm.core import CompiledModel, Team
from djl_trtllm.engines.trtllm import load_errors
from djl_trtllm.engines.trtllm.engine_files import EngineFacts, read
from djl_trtllm.engines.trtllm.executor_config import Places, fitted
from djl_trtllm.engines.trtllm.option_map import resolve
from djl_trtllm.engines.trtllm.versions import Release, installed
from djl_trtllm.errors import LoadError, OptionsError, RankError

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

logger = logging.getLogger(__name__)

OPEN, END = "open", "end"

ANSWERS = 60.0
"""Seconds in which every rank has let go of an engine that broke; those that have not, hang."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What every rank finds out before it opens its part. `places` are the arguments of run time."""

    facts: EngineFacts
    release: Release
    places: Places

    @classmethod
    def of(cls, model: CompiledModel, options: Options, team: Team) -> Opening:
        """Read the engine and resolve the options. Raises `LoadError`."""
        release = installed()
        if release is None:
            raise LoadError("TensorRT-LLM is not installed here.")
        facts = read(model.path)
        resolved = resolve(options, release, None, team.size, architecture=facts.architecture)
        if resolved.problems:
            raise OptionsError(*resolved.problems)
        places, notes = fitted(resolved, facts)
        # What was compiled here has had its notes when it was planned.
        brought = resolved.notes if model.runtime else ()
        if team.rank == 0:
            for note in (*brought, *notes):
                logger.info("%s", note)
        return cls(facts, release, places)


def lead(
    team: Team, options: Options, construct: Callable[[], None], undo: Callable[[], None], *, again: bool
) -> None:
    """Have every rank open its part, this one by `construct`. Raises `LoadError`, after `undo`, when one cannot.

    The first opening is part of loading, whose deadline holds; a later one has a deadline of its own.
    """
    if again:
        team.within(min(ANSWERS, options.rank_timeout))
    team.share(OPEN)
    if again:
        # A rank that hangs in the engine that broke is named here. Inside the library nobody could tell.
        team.agree()
        team.within(options.rank_timeout)
    _together(team, construct, undo)


def follow(team: Team, options: Options, construct: Callable[[], None], *, again: bool) -> bool:
    """Wait for rank 0's command and obey it; False when it was the last one. Raises `LoadError`."""
    command = team.share(None, patient=again)
    if command == END:
        return False
    if command != OPEN:
        raise RankError(f"Rank {team.rank} was told {command!r} where it waited for the engine to be opened.")
    if again:
        team.within(min(ANSWERS, options.rank_timeout))
        team.agree()
        team.within(options.rank_timeout)
    _together(team, construct, lambda: None)
    return True


def dismiss(team: Team) -> None:
    """Tell the other ranks that the engine was closed for good."""
    if team.size > 1:
        try:
            team.share(END)
        except RankError as error:
            logger.warning("The other ranks were not told that the engine is closed: %s", error)


def bounded(call: Callable[[], object], seconds: float, what: str) -> bool:
    """Make a call that may hang in a thread of its own; whether it came back in time.

    The thread keeps what it calls on alive: letting go of a broken executor would hang in its destructor, with the
    interpreter's lock held.
    """

    def run() -> None:
        try:
            call()
        except Exception as error:
            logger.warning("The %s failed: %s", what, load_errors.one_line(error))

    thread = threading.Thread(target=run, name="trtllm-close", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        logger.error("The %s did not come back within %.0f s and is left behind.", what, seconds)
    return not thread.is_alive()


def _together(team: Team, construct: Callable[[], None], undo: Callable[[], None]) -> None:
    error: LoadError | None = None
    try:
        construct()
    except LoadError as failure:
        error = failure
    try:
        team.agree(error)
    except BaseException:
        undo()
        raise
