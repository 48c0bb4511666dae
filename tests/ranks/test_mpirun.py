"""Real ranks under mpirun: a failure anywhere ends all of them, in time, with rank and reason in the log."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.support import rank_jobs
from tests.support.rank_jobs import Job

SECONDS = 8.0
CASES = ("well", "raise:1", "exit:1", "hang:1", "hang:0", "absent:1")


@pytest.fixture(scope="module")
def jobs() -> Mapping[str, Job]:
    return rank_jobs.run(CASES, SECONDS)


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
