"""How a process of a team does long work, and how it ends when the team has failed."""

from __future__ import annotations

import atexit
import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from types import FrameType
from typing import TypeVar

from djl_trtllm.errors import DjlTrtllmError, LoadError
from djl_trtllm.ranks.mpi_team import MpiTeam
from djl_trtllm.ranks.solo import Solo

logger = logging.getLogger(__name__)

UNWIND = 1.5
"""Seconds that work gets to give up by itself, which cleans up behind it, before it is abandoned."""

AFTER_ANSWER = 1.5
"""Seconds in which rank 0's answer reaches DJL, which shows it, before rank 0 ends."""

AFTER_LEADER = 4.0
"""Seconds that another rank waits for rank 0 to be the first to end. Its own end makes mpirun end all others."""

LAST_WORDS = 0.2
"""Seconds from SIGTERM to the end, in which what is being answered gets its last reply. mpirun, which sends it to all
ranks when one has died, kills half a second after it (Open MPI 5.0)."""

_FLUSHING = 0.05
"""Seconds that the end waits for whoever reads our output."""

_EVERY = 0.05

ResultT = TypeVar("ResultT")

_words: list[Callable[[], None]] = []


def attend(team: Solo | MpiTeam, work: Callable[[], ResultT]) -> ResultT:
    """Do `work` and return its result; in a team of several, raise once any rank has failed or the phase is over.

    It is done in a thread there. Work that then does not end by itself, because it is deep in a library, is left to the
    end of the process. What it raises is told to the other ranks.
    """
    if isinstance(team, Solo):
        return work()
    if threading.current_thread() is threading.main_thread():
        # From now on also while it serves: whoever is being answered then gets a retryable error.
        last_words(team.ends)
    result: Future[ResultT] = Future()
    threading.Thread(target=_do, args=(work, result), name="load", daemon=True).start()
    failed_at: float | None = None
    try:
        while not wait([result], _EVERY).done:
            if failed_at is None and (team.failure is not None or team.overdue > _EVERY):
                failed_at = time.monotonic()
            if failed_at is not None and (team.ending or time.monotonic() - failed_at > UNWIND):
                raise team.failure or team.late()
        return result.result()
    except Exception as error:
        if team.heard is not None and error is not team.heard:
            raise team.heard from error
        team.fail(error if isinstance(error, DjlTrtllmError) else unexpected(error))
        raise
    finally:
        faulthandler.cancel_dump_traceback_later()


def unexpected(error: Exception) -> LoadError:
    """Make what other ranks hear of a defect; its own text may quote anything and stays in this rank's log."""
    return LoadError(f"{type(error).__name__}, see its log.")


def end(rank: int, reason: str) -> None:
    """End this process with status 1, after rank 0 had its chance to tell DJL; `reason` is its last line."""
    seconds = AFTER_ANSWER if rank == 0 else AFTER_LEADER
    threading.Thread(target=_leave, args=(seconds, rank, reason), name="end", daemon=True).start()


def end_without_mpi() -> None:
    """Have this process end at once when Python does: MPI_Finalize would wait for ranks that may be gone."""
    atexit.register(_exit)


def last_words(speak: Callable[[], None]) -> None:
    """Call `speak` when SIGTERM comes, before what was given earlier, and end soon after it. For the main thread only.

    A thread does it, which the signal wakes even while the main thread is inside a library: Python's own handlers run
    in the main thread, once that is back.
    """
    _words.insert(0, speak)
    if len(_words) > 1:
        return
    heard, told = os.pipe()
    os.set_blocking(told, False)
    threading.Thread(target=_await_the_end, args=(heard,), name="last words", daemon=True).start()
    owner = os.getpid()

    def hear(number: int, _frame: FrameType | None) -> None:
        if os.getpid() == owner:
            os.write(told, bytes([number]))
        else:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    signal.signal(signal.SIGTERM, hear)
    _listen(told)
    # Else a forked child that is told to end would end its parent.
    os.register_at_fork(before=lambda: _listen(-1), after_in_parent=lambda: _listen(told))


def _listen(told: int) -> None:
    if threading.current_thread() is threading.main_thread():
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)


def _await_the_end(heard: int) -> None:
    while signal.SIGTERM not in os.read(heard, 16):
        pass
    threading.Thread(target=_speak, args=(list(_words),), name="speak", daemon=True).start()
    time.sleep(LAST_WORDS)
    _exit()


def _speak(words: Sequence[Callable[[], None]]) -> None:
    try:
        words[0]()
    except Exception as error:
        logger.error("at the end: %s", type(error).__name__)
    finally:
        if words[1:]:
            _speak(words[1:])


def _do(work: Callable[[], ResultT], result: Future[ResultT]) -> None:
    try:
        result.set_result(work())
    except BaseException as error:
        result.set_exception(error)


def _leave(seconds: float, rank: int, reason: str) -> None:
    time.sleep(seconds)
    logger.critical("rank %d ends: %s", rank, reason)
    _exit()


def _exit() -> None:
    flushing = threading.Thread(target=_flush, daemon=True)
    flushing.start()
    flushing.join(_FLUSHING)
    os._exit(1)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # there may be nobody left to read it
            stream.flush()
