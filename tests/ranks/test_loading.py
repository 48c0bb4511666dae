"""The whole load on two ranks, here threads, with a runtime that builds in a moment."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from djl_trtllm import ranks, service
from djl_trtllm.core import Plan
from djl_trtllm.engines import registry
from djl_trtllm.engines.estimate import Estimate
from djl_trtllm.errors import CompileError, LoadError, RankError
from djl_trtllm.ranks import ending
from djl_trtllm.rolling_batch.admit import Arrival
from djl_trtllm.service import loading
from tests.support import checkpoints, estimates, loop
from tests.support.collector import eventually
from tests.support.post import everywhere, teams
from tests.support.toy_engine import ToyEngine, toy_limits


class Runtime:
    """A `Runtime` of several ranks: each builds a file, the engine is the toy. What it does is in `log`."""

    name = "trtllm"

    def __init__(self) -> None:
        self.log: list[tuple[str, int]] = []
        self.failing: dict[tuple[str, int], Exception] = {}
        self.engines: list[ToyEngine] = []
        self.followers: list[Follower] = []
        self.compiles = True

    def did(self, what: str, rank: int) -> None:
        self.log.append((what, rank))
        if (what, rank) in self.failing:
            raise self.failing[what, rank]

    def times(self, what: str) -> int:
        return sum(name == what for name, _ in self.log)

    def plan(self, checkpoint, options, world) -> Plan | None:
        self.did("plan", 0)
        inputs = {"config.json": "1"}
        return (
            Plan(self.name, checkpoint.model_type, inputs, {}, {"toy": "1"}, "gpu", world)
            if self.compiles
            else None
        )

    def build(self, checkpoint, options, team, out: Path, progress) -> None:
        self.did("build", team.rank)
        (out / f"rank{team.rank}.engine").write_bytes(b"engine")
        if team.rank == 0:
            for file in loop.tokenizer_files():
                (out / file.name).write_bytes(file.read_bytes())
            (out / "text.json").write_text("{}")

    def assess(self, checkpoint, options, team, out: Path, progress) -> None:
        return None

    def estimate(self, source, options, world) -> Estimate:
        return estimates.ESTIMATE

    def check(self, model, options, world) -> None:
        self.did("check", -1)

    def engine(self, model, options, team) -> ToyEngine:
        self.did("engine", team.rank)
        self.engines.append(ToyEngine(limits=toy_limits(vocab_size=loop.tokenizer().vocab_size)))
        return self.engines[-1]

    def follower(self, model, options, team) -> Follower:
        self.followers.append(Follower(self, team))
        return self.followers[-1]


class Follower:
    def __init__(self, runtime: Runtime, team) -> None:
        self.runtime = runtime
        self.team = team
        self.over = threading.Event()
        self.error: Exception | None = None

    def open(self) -> None:
        self.runtime.did("open", self.team.rank)

    def run(self) -> None:
        assert self.over.wait(20)
        if self.error is not None:
            raise self.error


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> Runtime:
    made = Runtime()
    monkeypatch.setattr(registry, "choose", lambda options, size: made)
    return made


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    ends: list[tuple[int, str]] = []
    monkeypatch.setattr(ending, "end", lambda rank, reason: ends.append((rank, reason)))
    return ends


@pytest.fixture
def options(tmp_path: Path) -> dict[str, str]:
    model = checkpoints.write(tmp_path / "checkpoint", architectures=["LlamaForCausalLM"])
    return {"model_id": str(model), "rolling_batch": "disable", "cache_dir": str(tmp_path / "cache")}


def load(options: dict[str, str], monkeypatch: pytest.MonkeyPatch, seconds: float = 20, **of_rank_1: str):
    """Load on both ranks; what each got, or raised."""
    made = teams(2, seconds)

    def join(environ, timeout):
        return made[int(environ["OMPI_COMM_WORLD_RANK"])]

    monkeypatch.setattr(ranks, "join", join)

    def one(team):
        environ = {"OMPI_COMM_WORLD_SIZE": "2", "OMPI_COMM_WORLD_RANK": str(team.rank)}
        properties = {**options, **(of_rank_1 if team.rank else {})}
        return service.load(properties, environ, 1 << 20)

    return everywhere(made, one)


def text_of(served: service.Service) -> str:
    body = b'{"inputs": "the fox", "parameters": {"max_new_tokens": 5}}'
    (answer,) = served.answer([Arrival(body, {"Content-Type": "application/json"})])
    return answer.text


def test_rank_0_serves_and_the_others_follow_and_a_second_load_builds_nothing(
    runtime, options, monkeypatch, ended, caplog
) -> None:
    for _ in range(2):
        first, second = load(options, monkeypatch)
        assert isinstance(first, service.Service)
        assert isinstance(second, service.Following)
        assert "generated_text" in text_of(first)
        first.given.answered("a reply")
        assert second.reply() == "a reply"
        runtime.followers[-1].over.set()
        second.wait()
        first.close()
    assert runtime.times("build") == 2
    assert runtime.times("check") == 4
    assert ended == []


@pytest.mark.parametrize(
    ("what", "rank"), [("plan", 0), ("build", 0), ("build", 1), ("engine", 0), ("open", 1), ("check", -1)]
)
def test_what_fails_on_one_rank_is_raised_on_both(
    runtime, options, monkeypatch, what: str, rank: int
) -> None:
    runtime.failing[what, rank] = CompileError("It cannot be.")
    outcomes = load(options, monkeypatch)
    failing = max(rank, 0)
    own, other = outcomes[failing], outcomes[1 - failing]
    assert isinstance(own, LoadError)
    assert "It cannot be." in str(own)
    assert isinstance(other, RankError)
    assert str(other) == f"Rank {failing} failed: It cannot be."
    assert "open" not in {name for name, _ in runtime.log} or what in ("engine", "open")


def test_a_model_that_is_not_there_is_not_waited_for(runtime, options, monkeypatch) -> None:
    started = time.monotonic()
    first, second = load({**options, "model_id": options["model_id"] + "-not"}, monkeypatch)
    assert time.monotonic() - started < 5
    assert "no such directory" in str(first)
    assert str(second) == f"Rank 0 failed: {first}"


def test_different_options_on_two_ranks_are_named(runtime, options, monkeypatch) -> None:
    first, second = load(options, monkeypatch, max_output_len="7", dtype="fp16")
    assert "dtype, max_output_len" in str(second)
    assert str(first) == f"Rank 1 failed: {second}"


def test_wrong_options_on_one_rank_reach_the_other(runtime, options, monkeypatch) -> None:
    first, second = load(options, monkeypatch, max_output_len="many")
    assert "max_output_len" in str(second)
    assert "Rank 1 failed: max_output_len=many" in str(first)


def test_a_checkpoint_that_the_runtime_runs_as_it_is_is_not_compiled(
    runtime, options, monkeypatch, ended
) -> None:
    runtime.compiles = False
    for file in loop.tokenizer_files():
        Path(options["model_id"], file.name).write_bytes(file.read_bytes())
    Path(options["model_id"], "manifest.json").write_text(json.dumps({"somebody": "else's"}))
    first, second = load(options, monkeypatch)
    assert isinstance(first, service.Service), first
    runtime.followers[0].over.set()
    second.wait()
    first.close()
    assert runtime.times("build") == 0


def test_a_follower_that_fails_later_ends_and_the_engine_is_abandoned(
    runtime, options, monkeypatch, ended
) -> None:
    first, _second = load(options, monkeypatch)
    runtime.followers[0].error = ZeroDivisionError("a secret")
    runtime.followers[0].over.set()
    eventually(lambda: len(ended) == 1, "the end of rank 1")
    assert ended[0][0] == 1
    assert "ZeroDivisionError" in ended[0][1]
    eventually(lambda: "engine_restarting" in text_or_error(first), "the abandoned engine")
    assert first.lost
    first.close()


def text_or_error(served: service.Service) -> str:
    body = b'{"inputs": "the fox", "parameters": {"max_new_tokens": 5}}'
    (answer,) = served.answer([Arrival(body, {"Content-Type": "application/json"})])
    return answer.error.code if answer.error else answer.text


def test_what_is_reopened_has_time_of_its_own(runtime, options, monkeypatch, ended) -> None:
    first, _ = load(options, monkeypatch)
    assert isinstance(first, service.Service)
    begun: list[float] = []
    team = runtime.followers[0].team
    monkeypatch.setattr(type(team), "within", lambda self, seconds: begun.append(seconds))
    runtime.engines[0].die()
    eventually(lambda: len(runtime.engines) == 2, "another engine")
    eventually(lambda: "generated_text" in text_or_error(first), "its answers")
    assert begun == [loading.sources.read(options, {}).rank_timeout]
    runtime.followers[0].over.set()
    first.close()


@pytest.mark.parametrize(
    ("given", "warned"),
    [({}, True), ({"retry_threshold": "10"}, False), ({"SERVING_RETRY_THRESHOLD": "3"}, False)],
)
def test_a_load_without_retry_threshold_warns(given, warned, options, caplog) -> None:
    caplog.set_level("WARNING")
    in_environ = {name: value for name, value in given.items() if name.isupper()}
    in_properties = {name: value for name, value in given.items() if name.islower()}
    made = loading._Loading(
        {**options, **in_properties},
        in_environ,
        1,
        loading.sources.read(options, {}),
        Runtime(),
        ranks.Solo(),
        time.monotonic(),
    )
    made._take_brought_options(loading.CompiledModel(Path(), "m", options={"max_beam_width": "1"}))
    assert ("option.retry_threshold=10" in caplog.text) is warned
