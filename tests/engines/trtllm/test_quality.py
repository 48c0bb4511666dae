"""A quantised engine compared with its checkpoint: who is asked what, and what comes of every way that can end."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from djl_trtllm.compile.cache import ensure
from djl_trtllm.compile.quality import Quality
from djl_trtllm.compile.recipe import Recipe
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.core import Checkpoint
from djl_trtllm.engines.building.scores import Scores
from djl_trtllm.engines.trtllm import compile as trtllm_compile
from djl_trtllm.engines.trtllm import gpus, option_map, probe_child, quality, versions
from djl_trtllm.engines.trtllm.gpus import Gpu
from djl_trtllm.engines.trtllm.probe_child import ProbeJob
from djl_trtllm.engines.trtllm.quality import Comparison
from djl_trtllm.engines.trtllm.reference_child import Reference, ReferenceJob
from djl_trtllm.engines.trtllm.runtime import TensorRTLLM
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import OptionsError, OutOfMemory, RankError
from djl_trtllm.model import checkpoint
from djl_trtllm.options import sources
from djl_trtllm.options.table import Options
from djl_trtllm.ranks import Solo
from tests.contract.tensorrt_llm_stand_in import ROWS, environment, expected_tokens, installed, read, version
from tests.contract.tensorrt_llm_stand_in.rows import minor
from tests.engines.trtllm.test_build_child import in_process
from tests.support import raw_families, tiny
from tests.support.plans import Stages

ENGINE_ROWS = [row for row in ROWS if minor(row) < (1, 3)]
TEXTS = [[3 + (7 * number + at) % 9 for at in range(12)] for number in range(3)]
L4 = Gpu("NVIDIA L4", "8.9", 24 << 30)


def next_token(prefix: Sequence[int], vocabulary: int) -> int:
    return expected_tokens(prefix, 1, vocab_size=vocabulary)[0]


class Jobs:
    """Does jobs here; of the unquantised model's tokens only every second text's are those of the stand-in."""

    def __init__(self, vocabulary: int, fail: str = "") -> None:
        self.done: list[msgspec.Struct] = []
        self._vocabulary = vocabulary
        self._fail = fail

    def __call__(self, module: str, job: msgspec.Struct) -> Mapping[str, object]:
        self.done.append(job)
        if self._fail and module.endswith(self._fail):
            raise OutOfMemory("the comparison ran out of memory")
        if isinstance(job, ReferenceJob):
            config = json.loads(Path(job.source, "config.json").read_text())
            assert config["model_type"] == "llama"
            return dict(msgspec.to_builtins(Reference([self._scores(n, ids) for n, ids in enumerate(TEXTS)])))
        assert isinstance(job, ProbeJob)
        return probe_child.probe(job, Stages())

    def _scores(self, number: int, ids: list[int]) -> Scores:
        likeliest: list[int | None] = [
            next_token(ids[: at + 1], self._vocabulary) if number % 2 else 0 for at in range(len(ids))
        ]
        return Scores(ids, likeliest, [-1.0] * (len(ids) - 1))


def said(**given: object) -> Options:
    return sources.read({name: str(value) for name, value in given.items()}, {})


def built(directory: Path, row: str, chosen: Options) -> Comparison:
    """Build the small LLaMA here, with the stand-in's row installed, and return the comparison that is due then."""
    found = raw_families.write(directory / "m", "llama")
    out = directory / "out"
    out.mkdir()
    trtllm_compile.build(found, chosen, Solo(), out, Stages(), in_process)
    resolved = option_map.resolve(chosen, Release.of(version(row)), found, 1)
    return Comparison(found, chosen, resolved, Release.of(version(row)), out)


CASES: list[Any] = [
    ("0.10.0", {"quantize": "awq"}),
    ("0.14.0", {"quantize": "smoothquant"}),
    ("0.16.0", {"quantize": "int4", "max_beam_width": 2}),
    ("1.2~", {"quantize": "int8"}),
]
CASES += [
    pytest.param(row, {"quantize": "int8"}, marks=pytest.mark.long)
    for row in ENGINE_ROWS
    if minor(row) >= (0, 12)
]


@pytest.mark.parametrize(("row", "chosen"), CASES)
def test_what_was_built_is_compared(row: str, chosen: dict[str, Any], tmp_path: Path) -> None:
    with installed(row, gpu={"name": "NVIDIA L4", "capability": "8.9"}):
        comparison = built(tmp_path, row, said(**chosen, quality_floor=0.2))
        vocabulary = int(comparison.checkpoint.config["vocab_size"])  # type: ignore[call-overload]
        jobs = Jobs(vocabulary)
        found = comparison.quality(Solo(), Stages(), jobs)
    positions = sum(map(len, TEXTS))
    if "max_beam_width" not in chosen:
        assert found.agreement == pytest.approx(1 / 3, abs=0.01)
    assert found == Quality(
        agreement=found.agreement,
        reference_perplexity=2.71828,
        tokens=positions,
        prompts=found.prompts,
        floor=0.2,
        note="the engine gives no log-probabilities of a prompt",
    )
    reference, _ = jobs.done
    assert isinstance(reference, ReferenceJob)
    assert (reference.dtype, reference.compiled) == ("float16", str(comparison.out))
    assert sorted(path.name for path in comparison.out.iterdir()) == ["config.json", "rank0.engine"]


@pytest.mark.parametrize("fail", ["reference_child", "probe_child"])
def test_a_comparison_that_fails_leaves_the_build_and_a_reason(
    fail: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with installed("0.14.0"):
        comparison = built(tmp_path, "0.14.0", said(quantize="int8"))
        found = comparison.quality(Solo(), Stages(), Jobs(12, fail))
    assert found == Quality(note="the comparison ran out of memory")
    assert "quantize=int8: next-token agreement not measured: the comparison ran out of memory" in caplog.text
    assert [record.levelno for record in caplog.records if "agreement" in record.message] == [logging.WARNING]
    assert sorted(path.name for path in comparison.out.iterdir()) == ["config.json", "rank0.engine"]


def test_another_ranks_failure_is_no_result(tmp_path: Path) -> None:
    def fails(module: str, job: msgspec.Struct) -> Mapping[str, object]:
        raise RankError("Rank 1 is gone.")

    with installed("0.14.0"):
        comparison = built(tmp_path, "0.14.0", said(quantize="int8"))
        with pytest.raises(RankError):
            comparison.quality(Solo(), Stages(), fails)


def planned(directory: Path, monkeypatch: pytest.MonkeyPatch, world: int, **given: object) -> object:
    monkeypatch.setattr(versions, "installed", lambda: Release.of("0.14.0"))
    monkeypatch.setattr(gpus, "devices", lambda: [L4, L4])
    source = raw_families.write(directory / "m", "llama", num_key_value_heads=2)
    return TensorRTLLM().plan(source, said(cache_dir=directory / "cache", **given), world)


def test_a_floor_for_several_ranks_is_refused_before_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"quantize": "int8", "tensor_parallel_degree": 2}
    with pytest.raises(
        OptionsError, match=r"quality_floor=0\.9 \(from serving\.properties\) cannot be held with 2"
    ):
        planned(tmp_path, monkeypatch, 2, quality_floor=0.9, **given)
    planned(tmp_path, monkeypatch, 2, **given)
    planned(tmp_path, monkeypatch, 2, quality_floor=0.9, tensor_parallel_degree=2)


def test_several_ranks_are_not_compared_and_nothing_unquantised_is(tmp_path: Path) -> None:
    class Two(Solo):
        size = 2

    resolved = option_map.resolve(said(), Release.of("0.14.0"), None, 1)
    source = Checkpoint(tmp_path, "llama", {}, "mine")
    for_two = Comparison(source, said(quantize="int8"), resolved, Release.of("0.14.0"), tmp_path)
    found = for_two.quality(Two(), Stages(), lambda module, job: pytest.fail("nothing is run"))
    assert found == Quality(note=quality.SEVERAL_RANKS)
    assert TensorRTLLM().assess(source, said(), Solo(), tmp_path, Stages()) is None


def test_probes_are_even_over_all_texts_and_bounded() -> None:
    texts = [Scores([0] * length, [0] * length, []) for length in (300, 10, 200)]
    places = quality.probes(texts, 120)
    assert len(places) <= quality.MOST_PROBES
    assert {number for number, _ in places} == {0, 1, 2}
    assert max(at for _, at in places) < 120
    assert quality.probes(texts[1:2], 120) == [(0, at) for at in range(10)]


ANY: dict[str, object] = {
    "kv_cache_free_gpu_mem_fraction": "8GiB",
    "max_num_sequences": 3,
    "enable_kv_cache_reuse": "true",
    "rotary_scaling_type": "linear",
    "rotary_scaling_factor": 2.5,
    "openvino_kv_cache": "4096",
    "kv_cache_host_memory_bytes": "64MiB",
    "quantize": "awq",
    "model_id": "/models/mine",
    "guide_timeout": 0.5,
    "model_loading_timeout": 500,
}


@pytest.mark.parametrize(
    "given", [{}, ANY, {"rank_timeout": 7, "max_rolling_batch_size": 4, "stall_timeout": 5}]
)
def test_options_reach_a_child_as_they_are(given: dict[str, object]) -> None:
    chosen = said(**given)
    assert sources.read(quality.as_set(chosen), {}) == chosen


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.compile
@pytest.mark.parametrize("row", ["0.12.0", "0.14.0"])
def test_compared_in_children_and_kept_in_the_manifest(
    row: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from djl_trtllm.compile import manifest

    log = tmp_path / "calls"
    for name, value in environment(row, log=log).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(versions, "installed", lambda: Release.of(row))
    monkeypatch.setattr(gpus, "devices", lambda: [Gpu("NVIDIA A10G", "8.6", 24 << 30)])
    source = checkpoint.read(tiny.checkpoint("llama"), "tiny llama")
    chosen = said(quantize="int8", max_input_len=64, max_output_len=64, cache_dir=tmp_path / "cache")
    runtime, solo = TensorRTLLM(), Solo()

    def assess(out: Path, progress: Any) -> Mapping[str, object] | None:
        found = runtime.assess(source, chosen, solo, out, progress)
        return found.content() if found else None

    recipe = Recipe(
        runtime.plan(source, chosen, 1),
        lambda out, progress: runtime.build(source, chosen, solo, out, progress),
        assess,
    )
    stages = Stages()
    made = ensure(recipe, solo, CacheSettings.of(chosen, {}), stages)
    kept = manifest.read(made.path).quality
    assert kept is not None
    # The stand-in's tokens have nothing to do with the weights.
    assert isinstance(kept["agreement"], float)
    assert kept["agreement"] < 0.2
    assert isinstance(kept["reference_perplexity"], float)
    assert 100 < kept["reference_perplexity"] < 20_000
    assert 100 < int(str(kept["tokens"])) <= quality.MOST_PROBES
    assert "measuring quality" in stages.names
    calls = read(log)
    assert len(calls.methods("shutdown")) == 1
    assert {call.pid for call in calls}.isdisjoint({os.getpid()})
    assert not [name for name in manifest.read(made.path).files if "/" in name]
