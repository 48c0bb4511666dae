"""The stand-in's ranks compute every token together, and one that fails or is gone shows."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stand_in_rank import PROMPTS
from tests.contract.tensorrt_llm_stand_in import environment, expected_tokens, write_engine
from tests.contract.tensorrt_llm_stand_in.behaviours import tokens
from tests.contract.tensorrt_llm_stand_in.behaviours.scheduler import StepFailed
from tests.contract.tensorrt_llm_stand_in.behaviours.wire import PeerGone, alive
from tests.contract.tensorrt_llm_stand_in.behaviours.world import Follower, Leader, Peer, joined, share

MPIRUN = Path(sys.executable).parent / "mpirun"
WANT = [expected_tokens(prompt, 20, vocab_size=1000) for prompt in PROMPTS]


def run(what: str, row: str, path: Path, **knobs: Any) -> tuple[int, list[dict[str, Any]]]:
    """Run both ranks; return mpirun's status and what each rank that came to its end found."""
    directory = write_engine(path / "engine", row, world=2)
    command = [MPIRUN, "--allow-run-as-root", "--oversubscribe", "-np", "2", sys.executable, "-m"]
    ended = subprocess.run(
        [*command, "tests.contract.stand_in_rank", what, row, directory, path / "found"],
        env={**os.environ, **environment(row, **knobs)},
        capture_output=True,
        timeout=60,
    )
    files = sorted(path.glob("found*"))
    return ended.returncode, [json.loads(file.read_text()) for file in files]


def test_two_ranks_answer_close_and_open_again(tmp_path: Path) -> None:
    # Rank 1 raises late in the second round: the first takes some 220 steps.
    faults = [{"stage": "step", "kind": "raise", "rank": 1, "after": 300, "message": "CUDA error"}]
    status, (leader, follower) = run("serve", "1.2~", tmp_path, faults=faults)
    assert status == 0
    assert leader["tokens"] == WANT
    assert leader["errors"] == [None, "[rank 1] CUDA error"]
    assert (leader["can_enqueue"], follower["can_enqueue"]) == (True, False)
    assert (leader["opened"], follower["opened"]) == (2, 2)
    assert "Only the leader can enqueue requests in leader mode (rank 1)" in follower["refusal"]
    assert follower["busy"] < 0.6
    assert leader["shutdown_seconds"] < 5


def test_a_rank_that_is_killed_ends_every_request(tmp_path: Path) -> None:
    faults = [{"stage": "step", "kind": "kill", "rank": 1, "after": 10}]
    status, found = run("killed", "0.14.0", tmp_path, faults=faults)
    assert status != 0
    # mpirun may end the leader before it has looked.
    for leader in found:
        assert leader["errors"] == ["[TensorRT-LLM][ERROR] MPI: rank 1 is gone"] * 2


@pytest.mark.long
def test_managers_of_two_ranks_answer_alike(tmp_path: Path) -> None:
    status, found = run("manage", "0.8.0", tmp_path)
    assert status == 0
    assert [rank["tokens"] for rank in found] == [WANT[:4]] * 2


@pytest.mark.parametrize("world", [1, 2, 4])
def test_a_token_needs_the_share_of_every_rank(world: int) -> None:
    of = tokens.state([300, 301], ())
    wanted = [(of, position) for position in range(50)]
    whole = [tokens.bits(of, position) for position in range(50)]
    shares = [share(wanted, rank, world) for rank in range(world)]
    assert joined(shares) == whole
    for lost in range(world):
        others = [part for rank, part in enumerate(shares) if rank != lost]
        assert not others or all(a != b for a, b in zip(joined(others), whole, strict=True))
    if world > 1:
        assert joined([shares[0], *shares[:-1]]) != whole


class Pair:
    """One end of a wire between two threads that stand for ranks."""

    size = 2

    def __init__(self, rank: int, inbox: queue.Queue[Any], outbox: queue.Queue[Any]) -> None:
        self.rank = rank
        self._inbox, self._outbox = inbox, outbox

    def others(self) -> list[int]:
        return [1 - self.rank]

    def send(self, rank: int, message: object) -> None:
        self._outbox.put(message)

    def receive(self, rank: int) -> Any:
        message = self._inbox.get(timeout=5)
        if message == "gone":
            raise PeerGone(rank)
        return message


@pytest.fixture
def wires() -> tuple[Any, Any]:
    first: queue.Queue[Any] = queue.Queue()
    second: queue.Queue[Any] = queue.Queue()
    return Pair(0, first, second), Pair(1, second, first)


WANTED = [(7, 0), (7, 1)]
WHOLE = [tokens.bits(7, 0), tokens.bits(7, 1)]


def test_a_follower_serves_until_the_leader_ends(wires: tuple[Any, Any]) -> None:
    trips = iter([None, RuntimeError("out of memory"), None])

    def trip() -> None:
        fault = next(trips)
        if fault is not None:
            raise fault

    follower, leader = Follower(wires[1], trip), Leader(wires[0])
    assert leader.draw([]) == []
    assert leader.draw(WANTED) == WHOLE
    with pytest.raises(StepFailed, match=r"\[rank 1\] out of memory"):
        leader.draw(WANTED)
    assert leader.draw(WANTED) == WHOLE
    leader.close()
    follower.close()


def test_a_leader_that_is_gone_shows_at_the_follower(wires: tuple[Any, Any]) -> None:
    follower = Follower(wires[1], lambda: None)
    wires[0].send(1, "gone")
    with pytest.raises(RuntimeError, match="rank 0 is gone"):
        follower.close()
    wires[1].send(0, "gone")
    with pytest.raises(StepFailed, match="rank 1 is gone"):
        Leader(wires[0]).draw(WANTED)
    wires[1].send(0, "gone")
    Leader(wires[0]).close()


def test_peers_have_to_want_the_same(wires: tuple[Any, Any]) -> None:
    def both(first: Any, second: Any) -> list[Any]:
        with ThreadPoolExecutor(2) as pool:
            calls = [pool.submit(Peer(w).draw, x) for w, x in zip(wires, (first, second), strict=True)]
            return [call.exception() or call.result() for call in calls]

    assert both(WANTED, WANTED) == [WHOLE, WHOLE]
    assert [str(error) for error in both(WANTED, WANTED[:1])] == [
        "[TensorRT-LLM][ERROR] ranks have different requests"
    ] * 2


def test_a_process_that_is_gone_is_noticed() -> None:
    assert alive(os.getpid())
    assert alive(None)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert not alive(ended.pid)
