from pathlib import Path

import pytest

from djl_trtllm.engines.trtllm import versions
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.options import sources
from djl_trtllm.partition.job import ARGUMENTS, Job
from djl_trtllm.partition.layout import Layout

DUMP = """\
#
#Sat Nov 28 07:54:01 UTC 2026
engine=MPI
job_queue_size=1000
option.model_id=s3\\://bucket/model
option.max_input_len=64
option.quantize=awq
"""
"""As java.util.Properties writes what DJL 0.29 and later hands over."""


def job(directory: Path, *more: str, tp: str = "1") -> Job:
    places = ["--properties_dir", str(directory), "--trt_llm_model_repo", str(directory / "trtllm" / "0a")]
    return Job.parse([*places, "--tensor_parallel_degree", tp, *more])


def options_of(asked: Job, **environ: str):
    return sources.read(asked.properties(asked.pairs(), environ), environ, highest=asked.highest())


def test_the_arguments_of_djl(tmp_path) -> None:
    old = job(tmp_path, "--model_path", "owner/name", tp="2")
    assert (old.ranks, old.pipeline_parallel, old.model, old.layout) == (2, None, "owner/name", None)
    new = job(tmp_path, "--pipeline_parallel_degree", "2", "--model_path", "/m", "--layout", "flat", tp="4")
    assert (new.ranks, new.repository, new.layout) == (8, tmp_path / "trtllm" / "0a", Layout.FLAT)
    assert job(tmp_path, tp="0").ranks == 1, "DJL's count of GPUs where there is none"


@pytest.mark.parametrize(
    "wrong", [["--tensor_parallel", "1"], ["--pipeline_parallel_degree", "max"], ["--no"]]
)
def test_wrong_arguments(tmp_path, capsys, wrong) -> None:
    with pytest.raises(SystemExit) as ended:
        job(tmp_path, *wrong)
    assert ended.value.code == 2
    assert wrong[0] in capsys.readouterr().err


def test_options_are_those_of_a_load(tmp_path) -> None:
    (tmp_path / "serving.properties").write_text(DUMP)
    asked = job(tmp_path, "--pipeline_parallel_degree", "1", "--model_path", "/tmp/download/0b", tp="2")
    options = options_of(asked, OPTION_MAX_INPUT_LEN="128", OPTION_MAX_OUTPUT_LEN="32")
    assert (options.max_input_len, options.source_of("max_input_len")) == (64, "serving.properties")
    assert (options.max_output_len, options.source_of("max_output_len")) == (32, "OPTION_MAX_OUTPUT_LEN")
    assert (options.model_id, options.source_of("model_id")) == ("/tmp/download/0b", ARGUMENTS)
    assert (options.tensor_parallel_degree, options.quantize) == ("2", "awq")
    assert options.model_dir == str(tmp_path)
    assert options.warnings == ()


def test_no_properties_at_all(tmp_path) -> None:
    assert options_of(job(tmp_path)).model_id is None


@pytest.mark.parametrize(
    ("release", "text", "slots"),
    [
        ("0.8.0", "", 32),
        ("0.8.0", "option.max_num_tokens=50000\n", 256),
        ("0.9.0", "", 256),
        ("0.9.0", "option.max_rolling_batch_size=8\n", 8),
        ("0.12.0", "", 32),
    ],
)
def test_djl_0_27_and_0_28_do_not_tell_the_slots_they_will_set(
    tmp_path, monkeypatch, release, text, slots
) -> None:
    monkeypatch.setattr(versions, "installed", lambda: Release.of(release))
    (tmp_path / "serving.properties").write_text(text)
    assert options_of(job(tmp_path)).max_rolling_batch_size == slots
    told = job(tmp_path, "--pipeline_parallel_degree", "1")
    assert options_of(told).max_rolling_batch_size == (8 if "=8" in text else 32)


def test_slots_from_the_environment(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(versions, "installed", lambda: Release.of("0.9.0"))
    assert options_of(job(tmp_path), OPTION_MAX_ROLLING_BATCH_SIZE="16").max_rolling_batch_size == 16


@pytest.mark.parametrize(
    ("release", "layout"),
    [(None, "lmi"), ("0.8.0", "lmi"), ("0.12.0", "lmi"), ("0.21.0rc1", "flat"), ("1.0.0", "flat")],
)
def test_the_layout_goes_with_the_container(release, layout) -> None:
    assert Layout.of(Release.of(release) if release else None) is Layout(layout)
