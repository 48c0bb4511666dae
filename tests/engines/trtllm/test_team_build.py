"""One build by all ranks: who does what, in which order, and what a failure on one means for all."""

import errno
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.compile.cache import ensure
from djl_trtllm.compile.plan import key
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.core import Checkpoint, CompiledModel, Progress, Team
from djl_trtllm.engines.trtllm import compile as trtllm_compile
from djl_trtllm.engines.trtllm import gpus, neutral, versions
from djl_trtllm.engines.trtllm.build_job import Job
from djl_trtllm.engines.trtllm.gpus import Gpu
from djl_trtllm.engines.trtllm.team_build import RunJob
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import CompileError, RankError
from djl_trtllm.model import checkpoint
from djl_trtllm.options.table import Options
from djl_trtllm.ranks import Solo
from tests.support import raw_checkpoints
from tests.support.plans import Stages
from tests.support.raw_checkpoints import LLAMA, llama_shapes
from tests.support.teams import ThreadTeam, together

GPT2 = {
    "model_type": "gpt2",
    "architectures": ["GPT2LMHeadModel"],
    "vocab_size": 12,
    "n_positions": 2048,
    "torch_dtype": "float16",
}


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "installed", lambda: Release.of("0.14.0"))
    monkeypatch.setattr(gpus, "devices", lambda: [Gpu("NVIDIA A10G", "8.6", 24 << 30)] * 2)


@pytest.fixture
def model(tmp_path: Path) -> Checkpoint:
    return checkpoint.read(raw_checkpoints.write(tmp_path / "m", LLAMA, llama_shapes()), "my model")


class Jobs:
    """Runs jobs by remembering them, with what is on the disk at that time, and writing what a child would."""

    def __init__(self) -> None:
        self.done: list[Job] = []
        self.seen: list[set[str]] = []
        self.sources: list[dict[str, Any]] = []

    def __call__(self, job: Job, options: Options, progress: Progress, check: Callable[[], None]) -> None:
        progress.stage("working")
        self.done.append(job)
        self.sources.append(json.loads(Path(job.source, "config.json").read_text()))
        self.seen.append({path.name for path in Path(job.source).parent.iterdir()})
        if job.calibration is not None:
            assert len(Path(job.calibration, "train.jsonl").read_text().splitlines()) >= 512
            Path(str(job.quantised)).mkdir()
        else:
            Path(job.out, f"rank{job.rank}.engine").write_bytes(b"engine")


def build(model: Checkpoint, out: Path, jobs: RunJob, team: Team | None = None, **options: Any) -> Stages:
    stages = Stages()
    trtllm_compile.build(model, Options(**options), team or Solo(), out, stages, jobs)
    return stages


@pytest.fixture
def out(tmp_path: Path) -> Path:
    directory = tmp_path / "cache" / "building" / "key.1.a"
    directory.mkdir(parents=True)
    return directory


def test_one_rank_prepares_builds_and_leaves_nothing_else(model: Checkpoint, out: Path) -> None:
    jobs = Jobs()
    stages = build(model, out, jobs)
    (job,) = jobs.done
    assert (job.rank, job.architecture, job.quantised, job.calibration) == (0, "LlamaForCausalLM", None, None)
    assert job.text is not None
    assert job.text.tokenizer == str(model.path)
    assert job.at("Mapping") == {"tp_size": 1, "pp_size": 1, "world_size": 1}
    assert job.at("BuildConfig")["max_batch_size"] == 32
    assert not {"KvCacheConfig", "ExecutorConfig", "SchedulerConfig"} & job.arguments.keys()
    assert stages.names == ["preparing the checkpoint", "working"]
    assert [path.name for path in out.iterdir()] == ["rank0.engine"]


def test_two_ranks_build_once_the_checkpoint_is_prepared(model: Checkpoint, out: Path) -> None:
    jobs = Jobs()
    names: list[list[str]] = []
    raised = together(2, lambda team: names.append(build(model, out, jobs, team).names))
    assert raised == [None, None]
    by_rank = {job.rank: job for job in jobs.done}
    assert set(by_rank) == {0, 1}
    assert by_rank[0].text is not None
    assert by_rank[1].text is None
    assert by_rank[0].arguments == by_rank[1].arguments
    assert by_rank[1].at("Mapping")["world_size"] == 2
    assert sorted(path.name for path in out.iterdir()) == ["rank0.engine", "rank1.engine"]
    waiting = ["rank 0: waiting for the other ranks", "rank 1: waiting for the other ranks"]
    assert sorted(names) == [
        ["rank 0: preparing the checkpoint", waiting[0], "rank 0: working", waiting[0]],
        [waiting[1], "rank 1: working", waiting[1]],
    ]


def test_a_calibrated_build_is_quantised_by_rank_0_alone(model: Checkpoint, out: Path) -> None:
    jobs = Jobs()
    raised = together(2, lambda team: build(model, out, jobs, team, quantize="awq"))
    assert raised == [None, None]
    first, *others = jobs.done
    assert (first.rank, first.calibration is not None) == (0, True)
    assert sorted(job.rank for job in others) == [0, 1]
    assert all(job.calibration is None and job.quantised == first.quantised for job in others)
    assert "cnn_dailymail" in Path(str(first.calibration)).name
    assert sorted(path.name for path in out.iterdir()) == ["rank0.engine", "rank1.engine"]


def test_the_variant_stands_in_the_path_of_what_is_quantised(tmp_path: Path, out: Path) -> None:
    source = raw_checkpoints.write(tmp_path / "g", GPT2, {"wte.weight": (12, 4)})
    jobs = Jobs()
    build(checkpoint.read(source, "my gpt"), out, jobs, quantize="smoothquant")
    assert Path(jobs.done[0].source).name == "checkpoint-gpt2"
    assert neutral.is_neutral(Path(jobs.done[0].source).parent)


def test_the_library_is_given_no_telling_path(model: Checkpoint, tmp_path: Path) -> None:
    telling = tmp_path / "llava-and-gpt2"
    telling.mkdir()
    jobs = Jobs()
    build(model, telling, jobs, quantize="awq")
    for job in jobs.done:
        assert neutral.is_neutral(Path(job.source))
        assert neutral.is_neutral(Path(str(job.quantised)))
        assert not Path(job.source).parent.is_symlink()
    assert [path.name for path in telling.iterdir()] == ["rank0.engine"]


def test_options_patch_the_config_that_the_library_reads(model: Checkpoint, out: Path) -> None:
    jobs = Jobs()
    build(model, out, jobs, rotary_base=5e5, rotary_scaling_type="linear", rotary_scaling_factor=2.0)
    (seen,) = jobs.sources
    assert seen["rope_theta"] == 5e5
    assert seen["rope_scaling"] == {"type": "linear", "factor": 2.0}
    (job,) = jobs.done
    assert job.text is not None
    assert job.text.position_factor == 2.0


@pytest.mark.parametrize("failing", [0, 1])
def test_a_rank_that_fails_ends_the_build_on_all(model: Checkpoint, out: Path, failing: int) -> None:
    jobs = Jobs()

    def run(job: Job, options: Options, progress: Progress, check: Callable[[], None]) -> None:
        if job.rank == failing:
            raise CompileError("no luck")
        jobs(job, options, progress, check)

    raised = together(2, lambda team: build(model, out, run, team))
    assert isinstance(raised[failing], CompileError)
    other = raised[1 - failing]
    assert isinstance(other, RankError)
    assert str(other) == f"Rank {failing} failed: no luck"


def test_a_rank_at_work_hears_of_anothers_failure(model: Checkpoint, out: Path) -> None:
    started = threading.Event()

    def run(job: Job, options: Options, progress: Progress, check: Callable[[], None]) -> None:
        if job.rank == 1:
            started.wait(10)
            raise CompileError("no luck")
        started.set()
        end = time.monotonic() + 10
        while time.monotonic() < end:
            check()
            time.sleep(0.01)

    begun = time.monotonic()
    raised = together(2, lambda team: build(model, out, run, team))
    assert time.monotonic() - begun < 5
    assert isinstance(raised[0], RankError)


def test_what_rank_0_cannot_prepare_ends_it_before_anything_is_built(tmp_path: Path, out: Path) -> None:
    source = raw_checkpoints.write(tmp_path / "x", {**LLAMA, "tie_word_embeddings": True})
    (source / "pytorch_model.bin").write_bytes(b"")
    jobs = Jobs()
    raised = together(2, lambda team: build(checkpoint.read(source, "x"), out, jobs, team))
    assert all("completed by its output layer" in str(error) for error in raised)
    assert jobs.done == []


def test_a_disk_that_fills_up_is_named(model: Checkpoint, out: Path) -> None:
    def run(job: Job, options: Options, progress: Progress, check: Callable[[], None]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(CompileError, match="There is no space left in") as caught:
        build(model, out, run)
    assert f"({out.parent.parent})" in str(caught.value)


def test_a_defect_of_ours_is_an_error_on_all_and_no_rank_waits(model: Checkpoint, out: Path) -> None:
    def run(job: Job, options: Options, progress: Progress, check: Callable[[], None]) -> None:
        if job.rank == 0:
            raise KeyError("oops")

    def work(team: ThreadTeam) -> None:
        build(model, out, run, team)

    raised = together(2, work)
    assert isinstance(raised[0], CompileError)
    assert "KeyError" in str(raised[1])


@pytest.mark.parametrize("failing", [0, 1])
def test_a_build_that_fails_leaves_nothing_in_the_cache(
    model: Checkpoint, tmp_path: Path, failing: int
) -> None:
    settings = CacheSettings(tmp_path / "cache")
    options = Options(cache_dir=str(tmp_path / "cache"), quantize="awq")
    jobs = Jobs()

    def run(job: Job, options: Options, progress: Progress, check: Callable[[], None]) -> None:
        jobs(job, options, progress, check)
        if job.calibration is None and job.rank != failing:
            other_done.set()
        elif job.calibration is None:
            assert other_done.wait(20)
            raise CompileError("no luck")

    other_done = threading.Event()
    plan = trtllm_compile.plan(model, options, 2)

    def work(team: ThreadTeam, run: RunJob) -> None:
        def part(out: Path, progress: Progress) -> None:
            trtllm_compile.build(model, options, team, out, progress, run)

        found.append(ensure(Recipe(plan, part), team, settings, Stages()))

    found: list[CompiledModel] = []
    assert all("no luck" in str(error) for error in together(2, lambda team: work(team, run)))
    for place in ("building", "artifacts"):
        assert list((tmp_path / "cache" / place).iterdir()) == []
    assert together(2, lambda team: work(team, jobs)) == [None, None]
    assert {one.path.name for one in found} == {key(plan)}
    files = {path.name for path in found[0].path.iterdir()}
    assert files == {"rank0.engine", "rank1.engine", "manifest.json"}
