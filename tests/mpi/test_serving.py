"""DJL's real Java engine and mpirun with two ranks: compile, serve, survive what breaks, never compile twice."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from tests.support import start_report
from tests.support.http_client import lmi, post
from tests.support.mpi_jobs import Place, ends_after, expected_text, gone, ranks_of, wait_for
from tests.support.server import Server

pytestmark = [pytest.mark.e2e, pytest.mark.compile]

STREAMS = 64
TOKENS = 40


def answers_exactly(server: Server) -> None:
    """64 streams at once, each with its own text to the letter."""
    prompts = [f"The licence says, number {i}:" for i in range(STREAMS)]

    def ask(prompt: str) -> object:
        reply = post(server.url, lmi(prompt, max_new_tokens=TOKENS, details=True))
        assert reply.status == 200
        assert "".join(line["token"]["text"] for line in reply.lines) == reply.lines[-1]["generated_text"]
        return reply.lines[-1]["generated_text"]

    with ThreadPoolExecutor(STREAMS) as pool:
        assert list(pool.map(ask, prompts)) == [expected_text(prompt, TOKENS) for prompt in prompts]


def serves_again(server: Server, seconds: float = 60) -> float:
    """Ask until the answer is right; when it was."""

    def right() -> bool:
        with suppress(httpx.HTTPError):  # the connection may be cut while the workers are replaced
            reply = post(server.url, lmi("Again", max_new_tokens=5), timeout=10)
            # An error of DJL 0.25 has status 200, and no text.
            return reply.status == 200 and reply.lines[-1].get("generated_text") == expected_text("Again", 5)
        return False

    return wait_for("the right answer", right, server, seconds)


class Streams:
    """Requests that are being answered."""

    def __init__(self, server: Server, count: int) -> None:
        begun = threading.Semaphore(0)
        self._pool = ThreadPoolExecutor(count)
        self.replies = [
            self._pool.submit(
                post, server.url, lmi(f"Stream {i}", max_new_tokens=280), timeout=30, begun=begun.release
            )
            for i in range(count)
        ]
        for _ in self.replies:
            assert begun.acquire(timeout=30)


def test_each_rank_compiles_its_own_shard_once(compiled: Place, server: Server) -> None:
    assert sorted(call["arguments"]["mapping"]["rank"] for call in compiled.built) == [0, 1]  # type: ignore[index]
    (artifact,) = (compiled.cache / "artifacts").iterdir()
    files = {file.name for file in artifact.iterdir()}
    assert {"rank0.engine", "rank1.engine", "config.json", "manifest.json"} <= files
    assert compiled.building() == []
    assert compiled.calls("from_hugging_face") == [], "the second load is a hit"
    assert "cache hit" in server.log_text()


def test_rank_0_alone_says_what_the_start_came_to(server: Server) -> None:
    told = start_report.rows(server)
    assert server.log_text().count("djl_trtllm   versions ") == 1
    assert re.fullmatch(
        r"trtllm on 2 ranks: 2 GPUs \(NVIDIA A100.+\) and TensorRT-LLM \S+ are here", told["runtime"]
    )
    assert told["model"].endswith("/llama, LLaMA, 474.8K parameters, fp16")
    assert "input 256 (option max_input_len)" in told["limits"]
    assert re.search(r"of 40\.0 GiB on each GPU, 39\.0 GiB free$", told["memory"])
    assert "rank_timeout " in told["timeouts"]
    assert "tensorrt_llm " in told["versions"]


def test_64_streams_have_the_expected_text(server: Server) -> None:
    answers_exactly(server)
    assert "DJL asks rank 1 too" not in server.log_text()


def test_a_killed_rank_ends_the_job_and_djl_starts_another_that_compiles_nothing(
    server: Server, compiled: Place
) -> None:
    old = ranks_of(server)
    streams = Streams(server, 8)
    killed = time.time()
    os.kill(old[1], signal.SIGKILL)
    ended = wait_for("the end of both ranks", lambda: gone(old), server)
    assert ended - killed < 10
    for reply in streams.replies:
        last = reply.result().lines[-1]
        assert (last["details"]["finish_reason"], last["code"], last["retryable"]) == ("error", 503, True)
    back = serves_again(server)
    # DJL may end mpirun before it has said which signal it was.
    named = ("process rank 1 with PID", "Rank 1 died without a word")
    assert any(words in server.log_text() for words in named), "mpirun names the rank, or the other rank does"
    print(f"ended {ended - killed:.1f} s, served {back - killed:.1f} s after the kill")
    assert set(ranks_of(server).values()).isdisjoint(old.values())
    answers_exactly(server)
    assert compiled.calls("from_hugging_face") == []
    assert "cache miss" not in server.log_text()


def test_djl_0_25_asks_every_rank_and_what_breaks_as_a_whole_is_reopened_in_place(
    server: Server, compiled: Place
) -> None:
    fault = {"stage": "step", "kind": "raise", "rank": 0, "after": 1500, "times": 1}
    with compiled.serve("0.25.0", faults=[fault], rolling_batch="auto") as second:
        assert compiled.calls("from_hugging_face") == []
        answers_exactly(second)
        assert "DJL asks rank 1 too" in second.log_text()
        workers = ranks_of(second)
        for _ in range(10):
            reply = post(second.url, lmi("Long", max_new_tokens=280, details=True))
            if reply.lines[-1]["details"]["finish_reason"] == "error":
                break
        assert reply.lines[-1]["retryable"] is True
        serves_again(second)
        assert "The engine was reopened" in second.log_text()
        answers_exactly(second)
        assert ranks_of(second) == workers


@pytest.mark.long
@pytest.mark.parametrize(("djl", "mode"), [("0.34.0", "auto"), ("0.25.0", "trtllm"), ("0.25.0", "disable")])
def test_other_modes(compiled: Place, djl: str, mode: str) -> None:
    with compiled.serve(djl, rolling_batch=mode) as other:
        answers_exactly(other)
        assert compiled.calls("from_hugging_face") == []
        asked = (djl, mode) in [("0.25.0", "disable")]
        assert ("DJL asks rank 1 too" in other.log_text()) is asked


@pytest.mark.long
def test_ten_killed_ranks(compiled: Place) -> None:
    with compiled.serve() as other:
        for round_ in range(10):
            old = ranks_of(other)
            Streams(other, 4)
            killed = time.time()
            os.kill(old[round_ % 2], signal.SIGKILL)
            assert wait_for("the end of both ranks", lambda old=old: gone(old), other) - killed < 10
            serves_again(other)
        assert compiled.calls("from_hugging_face") == []


@pytest.mark.long
@pytest.mark.parametrize(("djl", "mode"), [("0.34.0", "trtllm"), ("0.25.0", "auto")])
def test_sigterm_to_all_ranks_tells_every_stream_and_ends_each_in_time(
    compiled: Place, djl: str, mode: str
) -> None:
    with compiled.serve(djl, rolling_batch=mode) as other:
        ranks = ranks_of(other)
        streams = Streams(other, 8)
        took = ends_after(ranks, signal.SIGTERM)
        for reply in streams.replies:
            last = reply.result().lines[-1]
            assert last["error"] == "The server is stopping; send the request again."
            assert (last["code"], last["error_code"], last["retryable"]) == (503, "stopping", True)
        print(f"ended after {took:.2f} s")
        assert took < 2  # 0.2 s where the machine has time
        if djl != "0.25.0":  # which starts no worker again that has died while nobody was being answered
            serves_again(other)
