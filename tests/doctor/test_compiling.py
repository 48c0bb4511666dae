from __future__ import annotations

import os
from pathlib import Path

import pytest

from djl_trtllm.compile import cache
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.core import Progress
from djl_trtllm.doctor import compiling, examination, memory
from djl_trtllm.errors import CompileError
from djl_trtllm.ranks import Solo
from tests.support import broken, examined, model_dirs, tiny

CACHE = "cache/djl_trtllm"


@pytest.fixture(autouse=True)
def _no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    broken.machine(monkeypatch, {})


class Silent:
    def stage(self, name: str, percent: float | None = None) -> None:
        """Say nothing."""


def compile_(directory: Path, options: str = "") -> None:
    """Put something into the cache under the very key that a load would look for."""
    plan = examined.subject(examined.write(directory, examined.RIGHT + options)).plan
    assert plan is not None

    def build(out: Path, progress: Progress) -> None:
        (out / "openvino_model.xml").write_text("<net/>")

    cache.ensure(Recipe(plan, build), Solo(), CacheSettings(directory.parent / CACHE), Silent())


def told(directory: Path, options: str = "", **environ: str) -> list[tuple[str, str]]:
    subject = examined.subject(examined.write(directory, examined.RIGHT + options), environ)
    return examined.said(compiling.examine_cache(subject))


def test_a_first_start_and_a_second(tmp_path: Path) -> None:
    model = tmp_path / "model"
    assert told(model)[0] == (
        "note",
        "A start compiles the model: this model has not been compiled here before.",
    )
    assert not (tmp_path / CACHE).exists()
    compile_(model)
    ((gravity, hit),) = told(model)
    assert gravity == "ok"
    assert hit.startswith("A start is a hit: compiled ")
    assert hit.endswith(f"from the same files, options and versions, in {tmp_path / CACHE}.")


def test_why_a_start_is_no_hit(tmp_path: Path) -> None:
    model = tmp_path / "model"
    compile_(model)
    assert "option dtype is fp32 and was " in told(model, "option.dtype=fp32\n")[0][1]
    assert "option.cache=rebuild" in told(model, "option.cache=rebuild\n")[0][1]
    assert told(model, "option.cache=off\n")[0][1].startswith("cache=off compiles the model at every start.")
    (built,) = (tmp_path / CACHE / "artifacts").iterdir()
    (built / "openvino_model.xml").write_text("<ne")
    assert "cannot be used: openvino_model.xml of " in told(model)[0][1]


def test_what_runs_does_not_matter(tmp_path: Path) -> None:
    compile_(tmp_path / "model")
    assert told(tmp_path / "model", "option.max_rolling_batch_size=5\n")[0][0] == "ok"


def test_a_cache_that_everybody_may_write(tmp_path: Path) -> None:
    (tmp_path / CACHE).mkdir(parents=True)
    (tmp_path / CACHE).chmod(0o777)
    with pytest.raises(CompileError, match="anybody may write to"):
        told(tmp_path / "model")
    found = examination.examine(examined.subject(tmp_path / "model").question)
    assert [(f.check, "chmod o-w" in f.fix) for f in found.findings if f.outcome.value == "problem"] == [
        ("cache", True)
    ]


def test_names_begin_at_the_model(tmp_path: Path) -> None:
    text = f"{examined.RIGHT}option.quantize=smoothquant\noption.calib_dataset=texts.txt\n"
    directory = examined.write(tmp_path / "model", text)
    with pytest.raises(CompileError, match="there is no such file"):
        list(compiling.examine_plan(examined.subject(directory)))
    (directory / "texts.txt").write_text("One.\nTwo.\n")
    assert [gravity for gravity, _ in examined.said(compiling.examine_plan(examined.subject(directory)))] == [
        "ok"
    ]


def test_a_second_cache_is_named(tmp_path: Path) -> None:
    found = told(tmp_path / "model", "option.cache_remote=s3://bucket/cache\n")
    assert "unless s3://bucket/cache has it" in found[0][1]


def test_a_relative_cache_is_below_the_model(tmp_path: Path) -> None:
    found = told(tmp_path / "model", "option.cache_dir=kept\n")
    assert any(str(tmp_path / "model" / "kept") in text for _, text in found)


def test_a_cache_that_cannot_be_written_is_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    found = told(tmp_path / "model")
    assert [gravity for gravity, text in found if "Nothing can be written to" in text] == ["note"]
    assert any("compiles into a temporary directory, every time." in text for _, text in found)


def test_time_and_memory_suffice(tmp_path: Path) -> None:
    subject = examined.subject(
        examined.write(tmp_path / "model", f"{examined.RIGHT}option.model_loading_timeout=1200\n")
    )
    ((gravity, text),) = examined.said(compiling.examine_time(subject))
    assert gravity == "ok"
    assert "model_loading_timeout=1200 (from serving.properties) is the limit." in text
    ((gravity, text),) = examined.said(memory.examine(subject))
    assert gravity == "ok"
    assert "of KV cache" in text


def test_a_time_that_may_not_be_enough(tmp_path: Path) -> None:
    text = f"{examined.RIGHT}option.model_loading_timeout=20\n"
    subject = examined.subject(examined.write(tmp_path / "model", text))
    ((gravity, told_of),) = examined.said(compiling.examine_time(subject))
    assert (gravity, "It may not be enough. Compile ahead of time" in told_of) == ("note", True)


def test_ranks_that_wait_longer_than_djl(tmp_path: Path) -> None:
    text = f"{examined.RIGHT}option.rank_timeout=240\n"
    subject = examined.subject(examined.write(tmp_path / "model", text), ranks=1)
    assert not any("rank_timeout" in said for _, said in examined.said(compiling.examine_time(subject)))
    two = examined.subject(tmp_path / "model", ranks=2)
    two.__dict__["estimate"] = subject.estimate
    assert any(
        "rank_timeout=240 is not below" in said for _, said in examined.said(compiling.examine_time(two))
    )


def test_a_hit_needs_little_time(tmp_path: Path) -> None:
    compile_(tmp_path / "model")
    text = f"{examined.RIGHT}option.model_loading_timeout=6\n"
    subject = examined.subject(examined.write(tmp_path / "model", text))
    ((gravity, told_of),) = examined.said(compiling.examine_time(subject))
    assert (gravity, told_of.startswith("Loading takes about ")) == ("ok", True)


def test_limits_and_what_sets_them(tmp_path: Path) -> None:
    text = f"{examined.RIGHT}option.max_output_len=6000\noption.openvino_kv_cache=64MiB\n"
    subject = examined.subject(examined.write(tmp_path / "model", text), {"OPTION_MAX_INPUT_LEN": "100"})
    found = memory.limits(subject)
    assert (found["max_input_len"].value, found["max_input_len"].source) == (
        100,
        "option max_input_len, OPTION_MAX_INPUT_LEN",
    )
    assert found["max_sequence_len"].value == 4096
    assert found["kv_cache_tokens"].source == "option openvino_kv_cache=64MiB"
    assert [gravity for gravity, _ in examined.said(memory.examine_limits(subject))] == ["ok", "note"]


def test_a_quick_look_reads_no_weights(tmp_path: Path) -> None:
    subject = examined.subject(examined.write(tmp_path / "model"))
    object.__setattr__(subject.question, "quick", True)
    assert subject.plan is None
    assert [gravity for gravity, _ in examined.said(compiling.examine_plan(subject))] == ["note"]
    assert not any("A start" in text for _, text in examined.said(compiling.examine_cache(subject)))


def test_two_gpus_have_an_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken.machine(monkeypatch, {"tensorrt_llm": "0.12.0", "gpus": [["NVIDIA L4", "8.9", 24 * 2**30]] * 2})
    text = examined.RIGHT.replace("Python", "MPI") + "option.tensor_parallel_degree=2\n"
    subject = examined.subject(examined.write(tmp_path / "model", text, num_key_value_heads=2))
    found = examination.examine(subject.question)
    problems = [str(finding) for finding in found.findings if finding.outcome.value == "problem"]
    assert problems == []
    assert (found.runtime, found.ranks) == ("trtllm", 2)
    assert found.arguments["Mapping.tp_size"] == 2
    assert any(f.check == "memory" and "on each of 2 devices" in f.text for f in found.findings)


@pytest.mark.compile
def test_a_model_that_was_really_compiled(tmp_path: Path) -> None:
    tiny.compiled("llama")
    directory = model_dirs.tiny_model(tmp_path / "model", "llama")
    found = examination.examine(examined.subject(directory).question)
    told = "\n".join(map(str, found.findings))
    assert found.starts, told
    assert "A start is a hit: compiled " in told
    assert found.limits["max_sequence_len"].value == 1024
    assert found.limits["kv_cache_tokens"].source == "option openvino_kv_cache=64MiB"
