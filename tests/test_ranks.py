"""One rank is a team of one; more cannot be used yet."""

import pytest

from djl_trtllm import ranks
from djl_trtllm.errors import InternalError, RankError


def test_a_team_of_one_agrees_with_itself():
    team = ranks.join({})
    assert (team.rank, team.size, team.share("x")) == (0, 1, "x")
    team.agree()
    with pytest.raises(InternalError):
        team.agree(InternalError("no"))


def test_one_rank_under_mpirun_is_a_team_of_one():
    assert ranks.join({"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"}).size == 1


def test_several_ranks_are_refused_with_the_fix():
    with pytest.raises(RankError, match=r"started on 2 ranks .* option\.tensor_parallel_degree=1"):
        ranks.join({"OMPI_COMM_WORLD_SIZE": "2"})
