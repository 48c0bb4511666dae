"""Two real ranks: they answer together, open again after a step failed on one of them, and end together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.engines.trtllm.follower import ExecutorFollower, follower
from djl_trtllm.engines.trtllm.gpt_follower import GptManagerFollower
from djl_trtllm.errors import ArtifactError, RankError
from tests.contract.tensorrt_llm_stand_in import environment, expected_tokens, installed, read, write_engine
from tests.support.teams import ThreadTeam, together
from tests.support.trtllm_engines import model, options
from tests.support.trtllm_rank import NEW, PROMPTS
from tests.support.vocabularies import vocabulary

MPIRUN = Path(sys.executable).parent / "mpirun"
ROOT = Path(__file__).resolve().parents[3]
WANTED = [expected_tokens(prompt, NEW, vocab_size=1000) for prompt in PROMPTS]


FAULT = {"stage": "step", "kind": "raise", "rank": 1, "after": 100, "times": 1}
"""The warm-up and the first requests take some 25 steps, the long ones would take 500."""


def run_ranks(row: str, path: Path, *faults: dict[str, object]) -> tuple[int, str, dict[str, Any]]:
    """Run two ranks; return the status, what they printed, and what rank 0 found."""
    engine = write_engine(path / "engine", row, world=2)
    (engine / "generation_config.json").write_text('{"eos_token_id": 1}')
    (engine / "tokenizer.json").write_text(vocabulary("byte_level").to_str(), encoding="utf-8")
    command = [MPIRUN, "-np", "2", "--allow-run-as-root", "--bind-to", "none", "--oversubscribe"]
    done = subprocess.run(
        [*command, sys.executable, "-m", "tests.support.trtllm_rank", engine, path / "found"],
        cwd=ROOT,
        env={
            **os.environ,
            **environment(row, faults=faults, gpu={"count": 2}, log=path / "log"),
            "TMPDIR": "/tmp",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    found = path / "found"
    return done.returncode, done.stdout, json.loads(found.read_text()) if found.exists() else {}


@pytest.mark.parametrize("row", ["0.9.0", "1.2~"])
def test_two_ranks_answer_break_and_answer_again(row: str, tmp_path: Path) -> None:
    _, printed, found = run_ranks(row, tmp_path, FAULT)
    assert found, printed
    assert found["first"] == WANTED
    assert found["broke"] == [True] * len(PROMPTS)
    assert found["second"] == WANTED
    assert found["close"] < 5
    assert (found["violations"], found["deaths"]) == ([], 0)
    assert {"0 is done", "1 is done"} <= set(printed.splitlines())
    configs = read(tmp_path / "log").of("GuidedDecodingConfig")
    # Twice, because it was opened again. Every rank has rank 0's tokens.
    assert sorted(call.rank for call in configs) == ([] if row == "0.9.0" else [0, 0, 1, 1])
    assert len({json.dumps(call.arguments) for call in configs}) <= 1


def test_two_ranks_answer_through_managers_that_python_tells_what_to_run(tmp_path: Path) -> None:
    _, printed, found = run_ranks("0.8.0", tmp_path)
    assert found, printed
    assert (found["first"], found["second"]) == (WANTED, WANTED)
    assert found["broke"] == [False] * len(PROMPTS)
    assert found["close"] < 5
    assert (found["violations"], found["deaths"]) == ([], 0)
    assert {"0 is done", "1 is done"} <= set(printed.splitlines())


@pytest.mark.long
def test_a_manager_that_fails_on_one_rank_ends_the_job(tmp_path: Path) -> None:
    status, printed, _ = run_ranks("0.8.0", tmp_path, FAULT)
    assert status != 0
    assert "Rank 1 cannot go on: a step of the batch failed" in printed


@pytest.mark.parametrize(("row", "kind"), [("0.8.0", GptManagerFollower), ("0.9.0", ExecutorFollower)])
def test_the_release_decides(row: str, kind: type, tmp_path: Path) -> None:
    with installed(row):
        assert isinstance(follower(model(tmp_path, row), options(), ThreadTeam(1, 2, None)), kind)  # type: ignore[arg-type]


@pytest.mark.parametrize("row", ["0.8.0", "1.2~"])
def test_what_cannot_be_opened_is_told_to_rank_0(row: str, tmp_path: Path) -> None:
    def rank(team: ThreadTeam) -> None:
        if team.rank == 0:
            team.share("open")
            team.agree()
        else:
            follower(model(tmp_path, row, max_seq_len=0), options(), team).open()

    with installed(row):
        leader, other = together(2, rank)
    assert isinstance(other, ArtifactError)
    assert isinstance(leader, RankError)
    assert str(leader).startswith("Rank 1 failed: ")


@pytest.mark.parametrize(("said", "why"), [("end", "before it was open"), ("dance", "was told 'dance'")])
def test_other_commands_before_opening_are_mistakes(said: str, why: str, tmp_path: Path) -> None:
    def rank(team: ThreadTeam) -> None:
        if team.rank == 0:
            team.share(said)
        else:
            follower(model(tmp_path, "1.2~"), options(), team).open()

    with installed("1.2~"):
        _, other = together(2, rank)
    assert isinstance(other, RankError)
    assert why in str(other)
