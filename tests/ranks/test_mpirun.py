"""Real ranks under mpirun: a failure anywhere ends all of them, in time, with rank and reason in the log."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 8.0
MPIRUN = ("mpirun", "-np", "2", "--allow-run-as-root", "--bind-to", "none", "--oversubscribe")
CASES = ("well", "raise:1", "exit:1", "hang:1", "hang:0", "absent:1")


@dataclass
class Job:
    """One run of two ranks. `ended` is when mpirun was gone."""

    text: str
    code: int
    ended: float

    def at(self, rank: int, event: str) -> float:
        for line in self.text.splitlines():
            words = line.split()
            if words[:2] == [str(rank), event]:
                return float(words[2])
        raise AssertionError(f"rank {rank} never said {event}:\n{self.text}")


@pytest.fixture(scope="module")
def jobs() -> dict[str, Job]:
    """All cases side by side: what they do most of the time is wait."""
    beside = str(Path(sys.executable).parent)
    # The path of a session directory must be short.
    environ = {**os.environ, "PATH": f"{beside}:{os.environ['PATH']}", "TMPDIR": "/tmp"}
    started = {
        case: subprocess.Popen(
            [*MPIRUN, sys.executable, "-m", "tests.support.rank", case, str(SECONDS)],
            cwd=ROOT,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for case in CASES
    }
    ends: dict[str, float] = {}
    deadline = time.monotonic() + 60
    while len(ends) < len(started) and time.monotonic() < deadline:
        for case, process in started.items():
            if case not in ends and process.poll() is not None:
                ends[case] = time.time()
        time.sleep(0.05)
    for process in started.values():
        process.kill()
    texts = {case: process.communicate()[0] for case, process in started.items()}
    assert ends.keys() == started.keys(), texts
    return {case: Job(texts[case], started[case].returncode, ends[case]) for case in CASES}


def test_ranks_share_and_agree(jobs) -> None:
    assert jobs["well"].at(0, "done")
    assert jobs["well"].at(1, "done")


def test_a_rank_that_raises_ends_all_within_ten_seconds(jobs) -> None:
    job = jobs["raise:1"]
    assert job.code != 0
    assert job.ended - job.at(1, "raise") < 10
    assert job.at(0, "answers") - job.at(1, "raise") < 5, "DJL is told, though rank 0 is deep in a library"
    assert "rank 0 ends: Rank 1 failed: Too little memory." in job.text


def test_a_rank_that_exits_ends_all_within_ten_seconds(jobs) -> None:
    job = jobs["exit:1"]
    assert job.code != 0
    assert job.ended - job.at(1, "exit") < 10
    assert ",1]" in job.text, "mpirun names the rank"


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_hangs_ends_all_at_the_deadline(jobs, rank: int) -> None:
    job = jobs[f"hang:{rank}"]
    assert job.code != 0
    # The phase began before the first word.
    assert job.ended - job.at(rank, "begins") < SECONDS + 5
    assert f"Rank {rank} did not answer within 8 s." in job.text


def test_a_rank_that_never_joins_ends_all_at_the_deadline(jobs) -> None:
    job = jobs["absent:1"]
    assert job.code != 0
    assert job.ended - job.at(1, "absent") < SECONDS + 5
    assert "rank 0 of 2: joining the others, at most 8 s" in job.text
    assert "Timeout" in job.text
