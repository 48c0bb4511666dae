"""Build children as they really are: processes of their own, that end in every way a process can."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.compile.cache import ensure
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.core import CompiledModel
from djl_trtllm.engines.trtllm import build_process, gpus, scratch, versions
from djl_trtllm.engines.trtllm.build_job import SCRATCH, Job
from djl_trtllm.engines.trtllm.gpus import Gpu
from djl_trtllm.engines.trtllm.runtime import TensorRTLLM
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import LoadError, OutOfMemory
from djl_trtllm.model import checkpoint
from djl_trtllm.options.table import Options
from djl_trtllm.ranks import Solo
from tests.contract.tensorrt_llm_stand_in import environment, read
from tests.support import raw_families, tiny
from tests.support.plans import Stages

ROW = "0.14.0"
LAUNCHED = {"OMPI_COMM_WORLD_RANK": "5", "PMIX_RANK": "5", "PMI_RANK": "5", "OMPI_COMM_WORLD_SIZE": "6"}


def test_a_child_is_no_rank_and_downloads_nothing() -> None:
    made = build_process.without_launcher(
        {**LAUNCHED, "PRTE_X": "1", "HOME": "/root", "CUDA_VISIBLE_DEVICES": "2"}
    )
    assert made == {
        "HOME": "/root",
        "CUDA_VISIBLE_DEVICES": "2",
        "HF_DATASETS_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "option.quantize=int8 or awq"),
        ({"quantize": "awq"}, "keep option.quantize=awq"),
        ({"max_rolling_batch_size": 64}, "option.max_rolling_batch_size (now 64)"),
        ({"max_num_tokens": 999}, "option.max_num_tokens (now 999)"),
        ({}, "option.tensor_parallel_degree"),
    ],
)
def test_relief_names_options_with_their_values(options: dict[str, Any], words: str) -> None:
    assert words in build_process.relief(Options(**options))


def job(directory: Path) -> Job:
    """A job for the small LLaMA, prepared, without the text."""
    model = raw_families.write(directory / "m", "llama")
    out = directory / "out"
    (out / SCRATCH).mkdir(parents=True)
    prepared = out / SCRATCH / "checkpoint"
    scratch.prepare(scratch.Wanted(model, {}, Release.of(ROW)), prepared, Stages())
    arguments: dict[str, dict[str, object]] = {
        "Mapping": {"world_size": 1, "tp_size": 1, "pp_size": 1},
        "from_hugging_face": {"dtype": "float16"},
        "BuildConfig": {"max_input_len": 16, "max_seq_len": 32, "max_batch_size": 2, "max_num_tokens": 64},
        "PluginConfig": {"gemm_plugin": "auto"},
    }
    return Job(
        source=str(prepared),
        out=str(out),
        origin="my llama",
        architecture="LlamaForCausalLM",
        rank=0,
        arguments=arguments,
    )


def run(directory: Path, monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name, value in {**LAUNCHED, **variables}.items():
        monkeypatch.setenv(name, value)
    build_process.run(job(directory), Options(), Stages(), lambda: None)


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("kill", OutOfMemory, r"was killed.*\(rank 0\)\. Lower option\.max_rolling_batch_size"),
        ("oom", OutOfMemory, r"ran out of memory \(rank 0\)\. Lower option\.max_rolling_batch_size"),
    ],
)
def test_every_end_of_a_child_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, kind: type[LoadError], words: str
) -> None:
    faults = [{"stage": "convert", "kind": fault}]
    with pytest.raises(kind, match=words):
        run(tmp_path, monkeypatch, environment(ROW, faults=faults))
    assert not (tmp_path / "out" / "rank0.engine").exists()


def load(model: Path, cache: Path, **more: Any) -> CompiledModel:
    """What a service does to get at an engine."""
    options = Options(model_id=str(model), cache_dir=str(cache), max_input_len=64, max_output_len=64, **more)
    runtime, found = TensorRTLLM(), checkpoint.read(model, "tiny llama")
    return ensure(
        Recipe(
            runtime.plan(found, options, 1),
            lambda out, progress: runtime.build(found, options, Solo(), out, progress),
        ),
        Solo(),
        CacheSettings.of(options, {}),
        Stages(),
    )


def test_a_second_load_is_a_hit_and_asks_the_library_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "calls"
    for name, value in {**LAUNCHED, **environment(ROW, log=log)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(versions, "installed", lambda: Release.of(ROW))
    monkeypatch.setattr(gpus, "devices", lambda: [Gpu("NVIDIA A10G", "8.6", 24 << 30)])
    first = load(tiny.checkpoint("llama"), tmp_path / "cache")
    assert not first.hit
    TensorRTLLM().check(first, Options(max_input_len=64, max_output_len=64), 1)
    assert {path.name for path in first.path.iterdir()} >= {
        "rank0.engine",
        "config.json",
        "text.json",
        "tokenizer.json",
        "manifest.json",
    }
    assert json.loads((first.path / "text.json").read_text())["vocab_size"] == tiny.VOCAB_SIZE
    calls = read(log)
    assert len(calls.methods("from_hugging_face")) == 1
    assert {call.rank for call in calls} == {0}, "the child took itself for a rank of the parent's job"
    assert {call.pid for call in calls}.isdisjoint({os.getpid()})
    log.unlink()
    second = load(tiny.checkpoint("llama"), tmp_path / "cache")
    assert second.hit
    assert second.path == first.path
    assert not log.exists()
    assert list((tmp_path / "cache" / "building").iterdir()) == []
