"""A team of several ranks, here threads: what is shared, agreed on, and how a failure reaches everybody."""

from __future__ import annotations

import threading
import time

import pytest

from djl_trtllm.core import CompiledModel, Team
from djl_trtllm.errors import CompileError, OutOfMemory, RankError
from djl_trtllm.ranks.mpi_team import LEADER_FIRST, MpiTeam
from tests.support.collector import eventually
from tests.support.post import everywhere, teams


def test_every_rank_gets_what_rank_0_shares(tmp_path) -> None:
    model = CompiledModel(tmp_path, "a model", options={"max_num_sequences": "64"})

    def work(team: Team) -> object:
        team.agree()
        first = team.share(model if team.rank == 0 else "not mine")
        team.agree()
        return first, team.share(team.rank), team.share(None)

    assert everywhere(teams(4), work) == [(model, 0, None)] * 4


def test_agreeing_waits_for_the_slowest(caplog) -> None:
    arrived: list[int] = []

    def work(team: Team) -> set[int]:
        time.sleep(0.2 * (team.rank == 2))
        arrived.append(team.rank)
        team.agree()
        return set(arrived)

    assert everywhere(teams(3), work) == [{0, 1, 2}] * 3


@pytest.mark.parametrize("failing", [0, 1, 2])
@pytest.mark.parametrize("waiting", ["agree", "share", "patient", "check"])
def test_a_failure_is_raised_everywhere_with_rank_and_reason(failing: int, waiting: str) -> None:
    def work(team: MpiTeam) -> None:
        if team.rank == failing:
            team.agree(OutOfMemory("Too little memory.", "Lower max_num_tokens."))
        elif waiting == "agree":
            team.agree()
        elif waiting == "check" or team.rank == 0:
            while True:
                team.check()
                time.sleep(0.01)
        else:
            team.share(None, patient=waiting == "patient")

    started = time.monotonic()
    outcomes = everywhere(teams(3), work)
    assert time.monotonic() - started < 5
    assert isinstance(outcomes.pop(failing), OutOfMemory)
    for error in outcomes:
        assert isinstance(error, RankError)
        assert str(error) == f"Rank {failing} failed: Too little memory. Lower max_num_tokens."
        assert error.status == 507, "DJL reads it as out of memory"


def test_missing_ranks_are_named_by_rank_0_and_everybody_hears_it() -> None:
    def work(team: MpiTeam) -> None:
        if team.rank in (1, 3):
            time.sleep(1.5)
            team.check()
        else:
            team.agree()

    outcomes = everywhere(teams(4, seconds=0.5), work)
    assert {str(error) for error in outcomes} == {"Ranks 1 and 3 did not answer within 0.5 s."}


def test_a_missing_rank_0_is_named_by_the_others() -> None:
    started = time.monotonic()

    def work(team: MpiTeam) -> str:
        if team.rank == 0:
            time.sleep(0.3 + LEADER_FIRST + 0.5)
            return "late"
        team.share(None)
        return "never"

    late, error = everywhere(teams(2, seconds=0.3), work)
    assert late == "late"
    assert str(error) == "Rank 0 did not answer within 0.3 s."
    assert time.monotonic() - started < 0.3 + LEADER_FIRST + 3


def test_a_patient_rank_outlasts_the_phase_and_the_next_phase_counts_anew() -> None:
    def work(team: MpiTeam) -> object:
        if team.rank == 0:
            time.sleep(0.3)
        value = team.share("open", patient=True)
        team.within(20)
        team.check()
        team.agree()
        return value

    assert everywhere(teams(2, seconds=0.1), work) == ["open", "open"]


def test_a_rank_that_is_too_slow_says_so_itself() -> None:
    (first, _) = teams(2, seconds=0.0)
    with pytest.raises(RankError, match=r"Rank 0 was not done after 0 s .* option\.model_loading_timeout"):
        first.check()


def test_only_the_first_failure_counts_and_watchers_hear_it_once() -> None:
    one, two = teams(2)
    heard: list[str] = []
    two.on_failure(lambda error: heard.append(str(error)))
    one.fail(CompileError("The disk is full."))
    one.fail(CompileError("And something else."))
    eventually(lambda: bool(heard), "the failure")
    two.fail(CompileError("Nobody hears this."))
    two.on_failure(lambda error: heard.append(f"late: {error}"))
    assert heard == ["Rank 0 failed: The disk is full.", "late: Rank 0 failed: The disk is full."]
    time.sleep(0.5)
    assert str(one.failure) == "Rank 0 failed: The disk is full."
    assert len(heard) == 2


def test_waiting_costs_next_to_nothing() -> None:
    one, _two = teams(2)
    waiting = threading.Thread(target=lambda: one.share(None) if one.rank else None, daemon=True)
    waiting.start()
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.05
