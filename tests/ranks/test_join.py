"""One rank is a team of one; more cannot be used yet."""

import pytest

from djl_trtllm import ranks
from djl_trtllm.errors import InternalError


def test_a_team_of_one_agrees_with_itself():
    team = ranks.join({}, 1)
    assert (team.rank, team.size, team.share("x")) == (0, 1, "x")
    team.agree()
    with pytest.raises(InternalError):
        team.agree(InternalError("no"))


def test_one_rank_under_mpirun_is_a_team_of_one():
    assert ranks.join({"OMPI_COMM_WORLD_SIZE": "1", "OMPI_COMM_WORLD_RANK": "0"}, 1).size == 1
