import logging
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.engines.building import process
from djl_trtllm.errors import CompileError, LoadError, OutOfMemory, RankError, UnsupportedModel
from tests.support.fake_compiler import Job
from tests.support.plans import Stages

CREDENTIALS = (
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)


def run(out: Path, origin: str, **more: Any) -> Stages:
    stages = Stages()
    out.mkdir(exist_ok=True)
    build = process.Build(
        module="tests.support.fake_compiler",
        job=Job(origin=origin, out=str(out)),
        origin=origin,
        out=out,
        scratch=out / "scratch",
        memory=lambda how: f"It {how}.",
        **more,
    )
    process.run(build, stages)
    return stages


def test_a_good_build_reports_and_leaves_only_its_result(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stages = run(tmp_path, "good")
    assert stages.names == ["starting the compiler", "converting"]
    assert "by the way" in caplog.text
    assert "a library talks" not in caplog.text
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
    assert (tmp_path / "model").read_text() == f"1{tmp_path}/scratch"


@pytest.mark.parametrize(
    ("origin", "kind", "words"),
    [
        ("killed", OutOfMemory, r"^It was killed, probably because memory ran out\.$"),
        ("memory", OutOfMemory, r"^It ran out of memory\.$"),
        ("aborts", OutOfMemory, r"^It ran out of memory\.$"),
        ("crashed", CompileError, "by signal SIGTERM"),
        ("exits", CompileError, "with exit status 3"),
        ("done, then fails", CompileError, "with exit status 4"),
        ("disk", CompileError, r"There is no space left .* option\.cache_dir"),
        ("unsupported", UnsupportedModel, "what went wrong"),
        ("build", CompileError, "what went wrong"),
    ],
)
def test_every_other_end_is_one_clear_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, origin: str, kind: type[LoadError], words: str
) -> None:
    with pytest.raises(kind, match=words):
        run(tmp_path, origin)
    assert "compiler: a library talks" in caplog.text


def test_the_disk_that_is_full_is_the_cache(tmp_path: Path) -> None:
    out = tmp_path / "building" / "key.1.a"
    out.mkdir(parents=True)
    with pytest.raises(CompileError) as caught:
        run(out, "disk")
    assert f"({tmp_path})" in str(caught.value)


def test_a_compiler_killed_from_outside_is_an_error_at_once(tmp_path: Path) -> None:
    caught: list[BaseException] = []

    def build() -> None:
        try:
            run(tmp_path, "sleeps")
        except LoadError as error:
            caught.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    pid = tmp_path / "pid"
    deadline = time.monotonic() + 20
    while not (pid.exists() and pid.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(int(pid.read_text()), signal.SIGKILL)
    thread.join(10)
    assert [type(error) for error in caught] == [OutOfMemory]


def test_a_check_that_raises_ends_the_child_and_is_raised(tmp_path: Path) -> None:
    looked = threading.Event()

    def check() -> None:
        if (tmp_path / "pid").exists():
            looked.set()
            raise RankError("Rank 1 failed: no luck")

    started = time.monotonic()
    with pytest.raises(RankError, match="Rank 1 failed"):
        run(tmp_path, "sleeps", check=check)
    assert looked.is_set()
    assert time.monotonic() - started < 20
    pid = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_library_that_said_that_memory_ran_out_is_believed(tmp_path: Path) -> None:
    with pytest.raises(OutOfMemory, match="It ran out of memory"):
        run(tmp_path, "build", no_memory=["a library talks"])
    with pytest.raises(CompileError, match="what went wrong"):
        run(tmp_path / "again", "build", no_memory=["something else"])


def test_the_environment_is_what_the_build_makes_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    run(tmp_path, "good", environment=lambda environ: {**environ, "HF_HUB_OFFLINE": "maybe"})
    assert (tmp_path / "model").read_text().startswith("1")


def test_what_compiles_has_no_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in CREDENTIALS:
        monkeypatch.setenv(name, "canary")
    monkeypatch.setenv("OPTION_MAX_NUM_TOKENS", "5")
    run(tmp_path, "environment")
    found = (tmp_path / "model").read_text().split()
    assert not set(CREDENTIALS) & set(found)
    assert {"OPTION_MAX_NUM_TOKENS", "TOKENIZERS_PARALLELISM", "PATH"} <= set(found)


def test_a_crash_that_says_nothing_may_have_been_memory(tmp_path: Path) -> None:
    with pytest.raises(
        CompileError, match=r"crashed \(signal SIGSEGV, see the log\), perhaps for want of memory"
    ):
        run(tmp_path, "segfault")
