"""A rank that fails, dies or hangs while the model loads ends all ranks in time; the log names it and its reason."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from tests.support.mpi_jobs import Place, gone, ranks_of, said, wait_for
from tests.support.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.compile]

DEADLINE = 8
CRASH = 10.0
"""Seconds in which everything has ended after a failure."""


@contextmanager
def loading(
    place: Place, fault: Mapping[str, object] | None = None, djl: str = "0.34.0", **options: object
) -> Iterator[tuple[Server, Mapping[int, int]]]:
    """A server whose ranks have begun to load, and their process ids."""
    faults = [] if fault is None else [fault]
    with place.serve(djl, faults=faults, wait=False, **options) as server:
        wait_for("both ranks", lambda: len(server.worker_pids()) == 2, server)
        said(server, "rank 0 of 2: joining the others")
        yield server, ranks_of(server)


def all_ended(server: Server, ranks: Mapping[int, int]) -> float:
    """Wait until every rank and the server have ended; when all had."""
    ended = wait_for("the end of both ranks", lambda: gone(ranks), server)
    assert server.wait(30) == 1
    return ended


@pytest.mark.parametrize("djl", ["0.34.0", pytest.param("0.25.0", marks=pytest.mark.long)])
def test_a_rank_that_raises_when_it_opens(compiled: Place, djl: str) -> None:
    fault = {"stage": "open", "kind": "oom", "rank": 1}
    with loading(compiled, fault, djl) as (server, ranks):
        failed = said(server, "worker: ERROR djl_trtllm Rank 1 failed: ")
        ended = all_ended(server, ranks)
        text = server.log_text()
    print(f"ended {ended - failed:.1f} s after the failure")
    assert ended - failed < CRASH
    assert "worker: ERROR djl_trtllm Rank 1 failed: " in text
    assert re.search("^error: .*Rank 1 failed: ", text, re.MULTILINE), (
        "said by DJL, or by the front where DJL does not"
    )
    assert "kv_cache_free_gpu_mem_fraction" in text.splitlines()[-1], "what takes less memory"


def test_a_rank_that_raises_when_it_builds_leaves_nothing_half_written(compiled: Place) -> None:
    before = sorted(path.name for path in (compiled.cache / "artifacts").iterdir())
    fault = {"stage": "convert", "kind": "raise", "rank": 1, "message": "no kernel for this"}
    with loading(compiled, fault, max_input_len=200) as (server, ranks):
        failed = said(server, "worker: ERROR djl_trtllm Rank 1 failed: ")
        ended = all_ended(server, ranks)
        text = server.log_text()
    print(f"ended {ended - failed:.1f} s after the failure")
    assert ended - failed < CRASH
    assert "error: Rank 1 failed: " in text
    assert "no kernel for this" in text
    assert sorted(path.name for path in (compiled.cache / "artifacts").iterdir()) == before
    assert compiled.building() == []


def test_a_rank_that_is_killed_when_it_builds(compiled: Place) -> None:
    before = sorted(path.name for path in (compiled.cache / "artifacts").iterdir())
    with loading(compiled, max_input_len=201) as (server, ranks):
        said(server, "rank 0: loading TensorRT-LLM")  # rank 1 is there too, and says nothing of it
        os.kill(ranks[1], signal.SIGKILL)
        killed = time.time()
        ended = all_ended(server, ranks)
        text = server.log_text()
    print(f"ended {ended - killed:.1f} s after the kill")
    assert ended - killed < CRASH
    assert "Rank 1 died without a word" in text
    assert sorted(path.name for path in (compiled.cache / "artifacts").iterdir()) == before


@pytest.mark.parametrize(
    ("rank", "stage"),
    [
        (1, "open"),
        pytest.param(0, "open", marks=pytest.mark.long),
        pytest.param(1, "convert", marks=pytest.mark.long),
        pytest.param(0, "convert", marks=pytest.mark.long),
    ],
)
def test_a_rank_that_hangs(compiled: Place, rank: int, stage: str) -> None:
    fault = {"stage": stage, "kind": "hang", "rank": rank}
    new = {"max_input_len": 210 + rank} if stage == "convert" else {}
    # Both importing torch at once takes long where there are few cores.
    deadline = DEADLINE if stage == "open" else 3 * DEADLINE
    with loading(compiled, fault, rank_timeout=deadline, **new) as (server, ranks):
        begun = time.time()
        ended = all_ended(server, ranks)
        text = server.log_text()
    print(f"ended {ended - begun - deadline:.1f} s after the deadline")
    assert deadline - 1 < ended - begun < deadline + 5
    # Rank 0 that waits inside the library for a rank that hangs is late itself, and cannot tell why.
    assert re.search(r"Rank [01] (did not answer within|was not done after) ", text)


@pytest.mark.long
def test_options_that_are_wrong_on_every_rank_are_said_once_by_djl(compiled: Place) -> None:
    with loading(compiled, max_output_len="many") as (server, ranks):
        ended = all_ended(server, ranks)
        text = server.log_text()
    assert ended
    assert text.splitlines()[-1].startswith("error: max_output_len=many (from serving.properties) must be")
