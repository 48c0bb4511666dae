"""Work that others can end: results, failures from here and elsewhere, and work that does not listen."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from djl_trtllm.errors import CompileError, RankError
from djl_trtllm.ranks import Solo, ending
from tests.support.post import everywhere, teams


def test_a_team_of_one_works_in_its_own_thread() -> None:
    assert ending.attend(Solo(), threading.current_thread) is threading.current_thread()


def test_the_result_of_the_work_is_returned_on_each_rank() -> None:
    assert everywhere(teams(2), lambda team: ending.attend(team, lambda: team.rank * 10)) == [0, 10]


@pytest.mark.parametrize("error", [CompileError("It does not build."), ZeroDivisionError("a prompt")])
def test_what_work_raises_is_raised_here_and_told_elsewhere_while_that_is_deep_in_a_library(error) -> None:
    over = threading.Event()

    def work(team) -> None:
        if team.rank == 1:
            raise error
        over.wait(20)

    started = time.monotonic()
    first, second = everywhere(teams(2), lambda team: ending.attend(team, lambda: work(team)))
    assert time.monotonic() - started < 1 + ending.UNWIND + 2
    over.set()
    assert second is error
    assert isinstance(first, RankError)
    assert str(first).startswith("Rank 1 failed: ")
    assert "a prompt" not in str(first)


def test_work_that_listens_cleans_up_before_the_failure_is_raised() -> None:
    cleaned: list[str] = []

    def work(team) -> None:
        if team.rank == 1:
            raise CompileError("It does not build.")
        try:
            while True:
                team.check()
                time.sleep(0.05)
        finally:
            time.sleep(0.3)
            cleaned.append("yes")

    first, _ = everywhere(teams(2), lambda team: ending.attend(team, lambda: work(team)))
    assert str(first) == "Rank 1 failed: It does not build."
    assert cleaned == ["yes"]


def test_work_without_end_is_over_soon_after_the_deadline() -> None:
    over = threading.Event()
    started = time.monotonic()
    outcomes = everywhere(teams(2, seconds=0.5), lambda team: ending.attend(team, lambda: over.wait(20)))
    assert 0.5 < time.monotonic() - started < 0.5 + ending.UNWIND + 2
    over.set()
    assert all("was not done after 0.5 s" in str(error) for error in outcomes)


def test_work_is_abandoned_at_once_when_mpirun_ends_the_ranks() -> None:
    over = threading.Event()
    lead, _ = teams(2)
    threading.Timer(0.2, lead.ends).start()
    started = time.monotonic()
    with ThreadPoolExecutor(1) as pool, pytest.raises(RankError, match="mpirun ends this rank"):
        pool.submit(ending.attend, lead, lambda: over.wait(20)).result()
    assert time.monotonic() - started < ending.UNWIND
    over.set()


def test_a_process_ends_with_its_reason_as_the_last_line() -> None:
    code = (
        "import logging, time\n"
        "from djl_trtllm.ranks import ending\n"
        "logging.basicConfig(format='%(message)s')\n"
        "ending.AFTER_LEADER = 0.1\n"
        "ending.end(1, 'Rank 0 did not answer.')\n"
        "time.sleep(20)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "rank 1 ends: Rank 0 did not answer."


def test_an_ordinary_end_does_not_wait_for_mpi_and_what_was_to_be_done_at_the_end_is_done() -> None:
    code = (
        "import atexit\n"
        "from djl_trtllm.ranks import ending\n"
        "atexit.register(print, 'never')\n"
        "ending.end_without_mpi()\n"
        "atexit.register(print, 'tidied')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (1, "tidied\n")


def ended_by_sigterm(code: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """Run Python, send it SIGTERM once it says so, and return what became of it and how long that took."""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=20)
    return subprocess.CompletedProcess([], process.returncode, out), time.monotonic() - began


LISTENS = (
    "import ctypes, os, signal, sys, time\n"
    "from djl_trtllm.ranks import ending\n"
    "ending.last_words(lambda: print('told', flush=True))\n"
)


def test_last_words_are_spoken_on_sigterm_and_the_end_follows() -> None:
    done, seconds = ended_by_sigterm(
        f"{LISTENS}ending.last_words(lambda: print('first', flush=True))\n"
        "ending.last_words(lambda: 1 / 0)\nprint(flush=True)\ntime.sleep(20)"
    )
    assert (done.returncode, done.stdout) == (1, "first\ntold\n")
    assert ending.LAST_WORDS < seconds < 10


def test_a_main_thread_that_is_deep_in_a_library_is_not_waited_for() -> None:
    """It does not come back to Python, where handlers run: a C loop does, the interpreter's lock let go of."""
    deep = "lib = ctypes.CDLL(None)\nprint(flush=True)\nwhile lib.usleep(20_000_000): pass"
    blocked = f"{LISTENS}signal.siginterrupt(signal.SIGTERM, False)\n{deep}"
    done, seconds = ended_by_sigterm(blocked)
    assert (done.returncode, done.stdout) == (1, "told\n")
    assert seconds < 10


def test_words_that_do_not_end_and_a_reader_that_does_not_read_hold_nothing_up() -> None:
    done, seconds = ended_by_sigterm(
        f"{LISTENS}ending.last_words(lambda: time.sleep(60))\n"
        "class Deaf:\n    def flush(self): time.sleep(60)\n"
        "print(flush=True)\nsys.stdout = Deaf()\ntime.sleep(20)"
    )
    assert done.returncode == 1
    assert seconds < 10


def test_a_forked_child_that_is_told_to_end_does_not_end_its_parent() -> None:
    code = (
        f"{LISTENS}"
        "up, ready = os.pipe()\n"
        "child = os.fork()\n"
        "if child == 0: os.write(ready, b'x'); time.sleep(60)\n"
        "os.read(up, 1)\n"
        "os.kill(child, signal.SIGTERM)\n"
        "_, status = os.waitpid(child, 0)\n"
        "time.sleep(0.5)\n"
        "print(os.WTERMSIG(status))\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert (done.returncode, done.stdout) == (0, f"{int(signal.SIGTERM)}\n")
