from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from djl_trtllm.engines.trtllm import openings
from djl_trtllm.engines.trtllm.executor_stats import ExecutorStats, usable_tokens
from djl_trtllm.errors import LoadError, OptionsError, RankError
from djl_trtllm.ranks import Solo
from tests.contract.tensorrt_llm_stand_in import installed
from tests.support.post import close, teams
from tests.support.teams import ThreadTeam, together
from tests.support.trtllm_engines import model, options


class Recorded(ThreadTeam):
    """A team that keeps what was asked of it."""

    def __init__(self, team: ThreadTeam, asked: list[str]) -> None:
        super().__init__(team.rank, team.size, team._meeting)
        self._asked = asked

    def within(self, seconds: float) -> None:
        self._asked.append(f"{self.rank} within {seconds:.0f}")


def fails() -> None:
    raise LoadError("There is no engine.")


def nothing() -> None:
    pass


@pytest.mark.parametrize("again", [False, True])
def test_all_ranks_open_on_command(again: bool) -> None:
    opened: list[int] = []
    asked: list[str] = []

    def rank(team: ThreadTeam) -> None:
        recorded = Recorded(team, asked)
        if team.rank == 0:
            openings.lead(recorded, options(rank_timeout=7), lambda: opened.append(0), nothing, again=again)
        else:
            assert openings.follow(
                recorded, options(rank_timeout=7), lambda: opened.append(team.rank), again=again
            )

    assert together(3, rank) == [None] * 3
    assert sorted(opened) == [0, 1, 2]
    assert sorted(asked) == ([f"{r} within 7" for r in (0, 0, 1, 1, 2, 2)] if again else [])


def test_a_rank_that_hangs_in_the_engine_that_broke_is_named_before_another_is_opened() -> None:
    lead, _ = teams(2)
    opened: list[int] = []
    with pytest.raises(RankError, match=r"^Rank 1 did not answer within 1 s\."):
        openings.lead(lead, options(rank_timeout=1), lambda: opened.append(0), nothing, again=True)
    assert opened == []
    close()


@pytest.mark.parametrize("failing", [0, 1])
def test_one_rank_that_cannot_open_fails_all(failing: int) -> None:
    undone: list[int] = []
    others_are_there = threading.Event()

    def fails_late() -> None:
        others_are_there.wait(10)
        fails()

    def rank(team: ThreadTeam) -> None:
        construct = fails_late if team.rank == failing else others_are_there.set
        if team.rank == 0:
            openings.lead(team, options(), construct, lambda: undone.append(0), again=False)
        else:
            openings.follow(team, options(), construct, again=False)

    errors = together(2, rank)
    assert isinstance(errors[failing], LoadError)
    assert str(errors[1 - failing]) == f"Rank {failing} failed: There is no engine."
    assert undone == [0]


def test_the_last_command() -> None:
    ended: list[bool] = []

    def rank(team: ThreadTeam) -> None:
        if team.rank == 0:
            openings.dismiss(team)
        else:
            ended.append(not openings.follow(team, options(), fails, again=True))

    assert together(2, rank) == [None, None]
    assert ended == [True]
    openings.dismiss(Solo())


def test_a_team_that_failed_is_not_told_more(caplog: pytest.LogCaptureFixture) -> None:
    class Failed(Solo):
        size = 2

        def share(self, value: object, *, patient: bool = False) -> object:
            raise RankError("Rank 1 is gone.")

    openings.dismiss(Failed())
    assert "Rank 1 is gone." in caplog.text


def test_calls_that_may_hang_are_bounded(caplog: pytest.LogCaptureFixture) -> None:
    let_go = threading.Event()
    begun = time.monotonic()
    assert not openings.bounded(lambda: let_go.wait(30), 0.1, "call")
    assert time.monotonic() - begun < 5
    assert "The call did not come back within 0 s" in caplog.text
    let_go.set()
    assert openings.bounded(nothing, 5, "call")
    assert openings.bounded(fails, 5, "other call")
    assert "The other call failed: There is no engine" in caplog.text


def test_what_every_rank_finds_out_first(tmp_path: Path) -> None:
    with installed("1.2~"):
        opening = openings.Opening.of(model(tmp_path, "1.2~"), options(max_rolling_batch_size=999), Solo())
        assert str(opening.release).startswith("1.2")
        assert opening.facts.max_batch_size == opening.places["ExecutorConfig"]["max_batch_size"] == 32
        with pytest.raises(OptionsError, match="pipeline_parallel_degree=2"):
            openings.Opening.of(model(tmp_path, "1.2~"), options(pipeline_parallel_degree=2), Solo())


def iteration(active: int, *, scheduled: int | None = 1, blocks: int = 10, used: int = 5) -> Any:
    return SimpleNamespace(
        num_active_requests=active,
        kv_cache_stats=SimpleNamespace(max_num_blocks=blocks, used_num_blocks=used, tokens_per_block=64),
        inflight_batching_stats=None
        if scheduled is None
        else SimpleNamespace(num_scheduled_requests=scheduled),
    )


class Executor:
    def __init__(self, *told: list[Any]) -> None:
        self._told = list(told)

    def get_latest_iteration_stats(self) -> list[Any]:
        if not self._told:
            raise RuntimeError("shut down")
        return self._told.pop(0)


def test_statistics_are_the_newest_and_say_whether_it_moves() -> None:
    stats = ExecutorStats()
    executor = Executor([iteration(1), iteration(3, used=2)], [], [iteration(3, scheduled=0)])
    moved = []
    for _ in range(3):
        stats._next = 0.0
        moved.append(stats.look(executor))
    assert moved == [True, False, False]
    assert (stats.load.running, stats.load.kv_used_percent) == (3, 50.0)
    assert not stats.look(executor), "not before it is time again"


def test_prompt_tokens_found_in_the_cache_are_told_where_the_release_tells_both_numbers() -> None:
    """0.14 and before have no `missed_blocks`, 0.10 and before neither (the contract of each release)."""
    for told, expected in (
        ({}, (None, None)),
        ({"reused_blocks": 3}, (None, None)),
        ({"reused_blocks": 3, "missed_blocks": 1}, (4 * 64, 3 * 64)),
    ):
        stats, newest = ExecutorStats(), iteration(1, used=2)
        vars(newest.kv_cache_stats).update(told)
        stats.look(Executor([newest]))
        assert (stats.load.prefix_queries, stats.load.prefix_hits) == expected
        assert stats.load.kv_blocks == newest.kv_cache_stats.max_num_blocks


def test_statistics_that_cannot_be_had_are_done_without(caplog: pytest.LogCaptureFixture) -> None:
    stats = ExecutorStats()
    stats.wait(Executor())
    assert stats.kv_tokens is None
    assert "no iteration statistics" in caplog.text
    without = ExecutorStats()
    without.look(
        Executor([SimpleNamespace(num_active_requests=1, kv_cache_stats=None, inflight_batching_stats=None)])
    )
    assert (without.load.running, without.kv_tokens) == (1, None)


def test_a_block_for_every_beam_stays_free() -> None:
    stats = ExecutorStats(2)
    stats.wait(Executor([], [iteration(0)]))
    assert stats.kv_tokens == 8 * 64
    assert usable_tokens(10, 64, 1) == 576
    assert usable_tokens(1, 64, 4) == 64
