"""Whatever a load waits for, it says so again and again: each long stage, with a heartbeat of a tenth of a second."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from djl_trtllm import service
from djl_trtllm.compile import manifest
from djl_trtllm.compile.cache import ensure
from djl_trtllm.compile.plan import key
from djl_trtllm.compile.progress import LogProgress
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.compile.store import Store
from djl_trtllm.engines import registry
from djl_trtllm.engines.building import process
from djl_trtllm.engines.trtllm import compile as trtllm_compile
from djl_trtllm.engines.trtllm import gpus, versions
from djl_trtllm.engines.trtllm.gpus import Gpu
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import RankError
from djl_trtllm.model import checkpoint
from djl_trtllm.options.table import Options
from djl_trtllm.ranks import Solo
from djl_trtllm.service import artifact, loading
from tests.support import plans, raw_checkpoints
from tests.support.fake_compiler import Job
from tests.support.raw_checkpoints import LLAMA, llama_shapes
from tests.support.teams import together
from tests.support.toy_engine import ToyEngine
from tests.support.toy_runtime import ToyRuntime, write_checkpoint

BEATS = 3
"""So many lines of one stage: the first, and two heartbeats."""

often = functools.partial(LogProgress, interval=0.1)


@pytest.fixture(autouse=True)
def info(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


def beaten(caplog: pytest.LogCaptureFixture, words: str) -> bool:
    return sum(words in message for message in list(caplog.messages)) >= BEATS


def until_beaten(caplog: pytest.LogCaptureFixture, words: str) -> None:
    deadline = time.monotonic() + 60
    while not beaten(caplog, words):
        assert time.monotonic() < deadline, caplog.messages
        time.sleep(0.01)


def slowly(plain: Callable, wait: Callable[[], None]) -> Callable:
    def slow(*args, **more):
        wait()
        return plain(*args, **more)

    return slow


@pytest.mark.parametrize(
    ("slow", "stage"),
    [
        ("locate", "loading: somewhere far away"),
        ("plan", "loading: reading the files of the checkpoint"),
        ("build", "loading: building 30 %"),
        ("assess", "loading: measuring"),
        ("open", "loading: opening the engine"),
        ("verify", "loading: verifying the files"),
    ],
)
def test_each_long_stage_of_a_load(
    slow: str, stage: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runtime = ToyRuntime()
    monkeypatch.setattr(registry, "choose", lambda options, size: runtime)
    monkeypatch.setattr(loading, "LogProgress", often)
    wait = functools.partial(until_beaten, caplog, stage)

    def reporting(plain: Callable, name: str, percent: float | None = None) -> Callable:
        def slow_one(*args):
            args[-1].stage(name, percent)
            wait()
            return plain(*args)

        return slow_one

    if slow == "locate":
        monkeypatch.setattr(artifact, "locate", reporting(artifact.locate, "somewhere far away"))
    elif slow == "plan":
        monkeypatch.setattr(runtime, "plan", slowly(runtime.plan, wait))
    elif slow == "build":
        monkeypatch.setattr(runtime, "build", reporting(runtime.build, "building", 30.0))
    elif slow == "assess":
        monkeypatch.setattr(runtime, "assess", reporting(runtime.assess, "measuring"))
    elif slow == "open":
        monkeypatch.setattr(ToyEngine, "open", slowly(ToyEngine.open, wait))
    else:
        monkeypatch.setattr(manifest, "verify", slowly(manifest.verify, wait))
    model = write_checkpoint(tmp_path / "checkpoint")
    options = {"model_id": str(model), "rolling_batch": "disable", "cache_dir": str(tmp_path / "cache")}
    service.load(options, {}, 1 << 20).close()
    assert beaten(caplog, stage)
    said = [message for message in caplog.messages if stage in message]
    assert all(message.endswith(" of 240 s") for message in said)


def test_a_compiler_that_is_silent(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The child says how far it is and then nothing; the parent goes on saying it."""
    stage = "compiling: calibrating 40 %"

    def enough() -> None:
        if beaten(caplog, stage):
            raise RankError("enough")

    build = process.Build(
        module="tests.support.fake_compiler",
        job=Job(origin="reports, then sleeps", out=str(tmp_path)),
        origin="m",
        out=tmp_path,
        scratch=tmp_path / "scratch",
        memory=str,
        check=enough,
    )
    with often("compiling", logging.getLogger("x")) as progress, pytest.raises(RankError, match="enough"):
        process.run(build, progress)


def test_waiting_for_another_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    held = Store(tmp_path).lock(key(plans.plan()))
    Store(tmp_path).prepare()
    assert held.acquire()
    stage = "loading: waiting for another process that compiles the same model"

    def release() -> None:
        until_beaten(caplog, stage)
        held.release()

    other = threading.Thread(target=release)
    other.start()
    with often("loading", logging.getLogger("x")) as progress:
        ensure(Recipe(plans.plan(), plans.build), Solo(), CacheSettings(tmp_path), progress)
    other.join()
    assert beaten(caplog, stage)


def test_ranks_that_build_engines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each rank tells of its own part, and then that it waits for the other."""
    monkeypatch.setattr(versions, "installed", lambda: Release.of("0.14.0"))
    monkeypatch.setattr(gpus, "devices", lambda: [Gpu("NVIDIA A10G", "8.6", 24 << 30)] * 2)
    model = checkpoint.read(raw_checkpoints.write(tmp_path / "m", LLAMA, llama_shapes()), "my model")
    out = tmp_path / "cache" / "building" / "key.1.a"
    out.mkdir(parents=True)

    def job(job, options, progress, check) -> None:
        progress.stage("building the engine")
        until_beaten(caplog, f"rank {job.rank}: building the engine")
        if job.rank == 1:
            until_beaten(caplog, "rank 0: waiting for the other ranks, ")
        Path(job.out, f"rank{job.rank}.engine").write_bytes(b"engine")

    def one(team) -> None:
        with often("loading", logging.getLogger("x")) as progress:
            trtllm_compile.build(model, Options(), team, out, progress, job)

    assert together(2, one) == [None, None]
