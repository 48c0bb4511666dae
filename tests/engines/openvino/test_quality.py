"""Quantised OpenVINO models compared with what they were made of, and what a floor makes of the figures."""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from djl_trtllm.compile import manifest
from djl_trtllm.core import CompiledModel, Progress
from djl_trtllm.engines.building import process, quality_texts
from djl_trtllm.engines.building.scores import Scores, compare
from djl_trtllm.engines.openvino import build_process, quality
from djl_trtllm.engines.openvino.build_job import UNQUANTISED, Job
from djl_trtllm.engines.openvino.quality_child import QualityJob, scored
from djl_trtllm.engines.openvino.runtime import OpenVINO
from djl_trtllm.engines.trtllm import reference_child
from djl_trtllm.engines.trtllm.reference_child import Reference, ReferenceJob
from djl_trtllm.errors import QualityError
from djl_trtllm.options import sources
from djl_trtllm.ranks import Solo
from djl_trtllm.service.artifact import Artifact
from tests.engines.openvino.test_compile import VARIANTS
from tests.support import tiny
from tests.support.plans import Stages
from tests.support.real_build import compile_model

pytestmark = pytest.mark.compile

QUANTISED = ("int8", "int4", "awq", "smoothquant")
LEAST = {"int8": 0.8, "int4": 0.2, "awq": 0.2, "smoothquant": 0.6}
"""Agreement of the tiny random models, whose likeliest tokens lie close together."""


@pytest.fixture(scope="module")
def variants() -> dict[str, Path]:
    return tiny.variants("llama", VARIANTS)


def measured(path: Path) -> dict[str, Any]:
    kept = manifest.read(path).quality
    assert kept is not None
    return dict(kept)


@pytest.mark.parametrize("name", QUANTISED)
def test_a_quantised_build_has_its_figures_in_the_manifest(variants: dict[str, Path], name: str) -> None:
    found = measured(variants[name])
    assert LEAST[name] < found["agreement"] < 1
    assert 300 < found["tokens"] <= quality_texts.MOST_TOKENS
    assert found["perplexity"] == pytest.approx(found["reference_perplexity"], rel=0.5)
    assert found["perplexity"] != found["reference_perplexity"]
    assert found["prompts"] == measured(variants["int8"])["prompts"]
    assert (found["note"], found["floor"]) == ("", None)
    assert not [
        file for file in manifest.read(variants[name]).files if "unquantised" in file or "scratch" in file
    ]


def test_the_closer_quantisation_measures_better(variants: dict[str, Path]) -> None:
    int8, int4 = measured(variants["int8"]), measured(variants["int4"])
    assert int8["agreement"] > int4["agreement"] + 0.1
    assert int8["reference_perplexity"] == int4["reference_perplexity"]


def test_what_is_not_quantised_is_not_compared(variants: dict[str, Path]) -> None:
    assert manifest.read(variants["fp32"]).quality is None
    assert manifest.read(variants["bf16"]).quality is None


def scores_of(directory: Path, texts: Sequence[Sequence[int]]) -> list[Scores]:
    return scored(directory, texts, 1, lambda share: None)


def test_a_model_that_gives_the_last_logits_only_scores_the_same(
    variants: dict[str, Path], tmp_path: Path
) -> None:
    import openvino
    from openvino import opset13 as opset

    model = openvino.Core().read_model(variants["fp32"] / "openvino_model.xml")
    (result,) = (
        one for one in model.get_results() if "logits" in one.input(0).get_source_output().get_names()
    )
    logits = result.input(0).get_source_output()
    names = logits.get_names()
    logits.set_names(set())
    numbers = [opset.constant([value], dtype="int64") for value in (-1, 2**31 - 1, 1, 1)]
    last = opset.slice(logits, *numbers)
    last.output(0).set_names(names)
    result.input(0).replace_source_output(last.output(0))
    openvino.save_model(model, tmp_path / "openvino_model.xml", compress_to_fp16=False)

    texts = tiny.prompts("llama", 4)
    whole, sliced = scores_of(variants["fp32"], texts), scores_of(tmp_path, texts)
    assert [one.likeliest for one in whole] == [one.likeliest for one in sliced]
    for one, other in zip(whole, sliced, strict=True):
        assert one.log_probs == pytest.approx(other.log_probs, rel=1e-3)
    found = compare(whole, sliced)
    assert (found.agreement, found.tokens) == (1.0, sum(map(len, texts)))


def test_texts_do_not_flow_into_each_other(variants: dict[str, Path]) -> None:
    texts = tiny.prompts("llama", 3)
    together = scores_of(variants["fp32"], texts)
    assert together[2:] == scores_of(variants["fp32"], texts[2:])


def destroy(directory: Path) -> None:
    """Turn every quantised matrix upside down, as a bad quantiser might; the model still loads and runs."""
    file = directory / "openvino_model.bin"
    data = bytearray(file.read_bytes())
    constant = r'element_type="u8" shape="[^"]*" offset="(\d+)" size="(\d+)"'
    places = re.findall(constant, (directory / "openvino_model.xml").read_text())
    matrices = [slice(int(at), int(at) + int(size)) for at, size in places if int(size) >= 4096]
    assert len(matrices) > 10
    for matrix in matrices:
        data[matrix] = data[matrix][::-1]
    file.write_bytes(data)


@pytest.fixture
def ruined(variants: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> list[Job]:
    """Builds are copies of one that is there, with its weights destroyed; returns the jobs that were run."""
    jobs: list[Job] = []

    def build(job: Job, progress: Progress) -> None:
        jobs.append(job)
        out = Path(job.out)
        for file in variants["int8"].iterdir():
            if file.is_file() and file.name != manifest.NAME:
                shutil.copy(file, out)
        destroy(out)
        (out / UNQUANTISED).mkdir()
        for name in ("openvino_model.xml", "openvino_model.bin"):
            shutil.copy(variants["fp32"] / name, out / UNQUANTISED)

    monkeypatch.setattr(build_process, "run", build)
    return jobs


def found(cache: Path, stages: Stages | None = None, **given: object) -> CompiledModel:
    """What a start of a service finds or builds."""
    said = {"model_id": tiny.checkpoint("llama"), "quantize": "int8", "cache_dir": cache, **given}
    options = sources.read({f"option.{name}": str(value) for name, value in said.items()}, {})
    return Artifact(OpenVINO(), options, Solo(), {}, stages or Stages()).find()


def test_a_ruined_quantisation_is_refused_by_its_floor_and_not_built_again(
    ruined: list[Job], tmp_path: Path
) -> None:
    stages = Stages()
    with pytest.raises(
        QualityError,
        match=r"is below quality_floor=0\.5 .*agreement 0.* over 504 tokens, perplexity .* against",
    ):
        found(tmp_path, stages, quality_floor=0.5)
    assert "measuring quality" in stages.names
    hit = Stages()
    with pytest.raises(QualityError) as again:
        found(tmp_path, hit, quality_floor=0.5)
    assert "Try a build without quantize; or lower quality_floor" in str(again.value)
    assert "measuring quality" not in hit.names
    served = found(tmp_path, quality_floor=0)
    assert served.hit
    assert len(ruined) == 1
    kept = measured(served.path)
    assert kept["floor"] == 0.5
    assert kept["agreement"] < 0.2
    assert {path.name for path in served.path.iterdir() if path.is_dir()} <= {"guide"}


def test_a_floor_that_comes_later_is_held_too(ruined: list[Job], tmp_path: Path) -> None:
    assert not found(tmp_path).hit
    with pytest.raises(QualityError, match=r"is below quality_floor=0\.3"):
        found(tmp_path, quality_floor=0.3)
    assert len(ruined) == 1


def test_own_texts_are_compared_on(ruined: list[Job], tmp_path: Path) -> None:
    texts = tmp_path / "mine.txt"
    texts.write_text("Once upon a time there was a little girl.\nShe lived near the sea.\n")
    kept = measured(found(tmp_path / "cache", calib_dataset=texts).path)
    assert 10 < kept["tokens"] < 60


def test_a_comparison_that_fails_is_a_warning_and_with_a_floor_a_refusal(
    ruined: list[Job], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    missing = tmp_path / "none.txt"
    kept = measured(found(tmp_path / "cache", calib_dataset=missing).path)
    assert kept["agreement"] is None
    assert "there is no such file" in kept["note"]
    assert [one.levelno for one in caplog.records if "not measured" in one.message] == [logging.WARNING]
    with pytest.raises(QualityError, match=r"it was not \(.*no such file.*\)\. Set option\.cache=rebuild"):
        found(tmp_path / "cache", calib_dataset=missing, quality_floor=0.1)


def test_no_directory_of_this_machine_is_in_a_reason(tmp_path: Path, variants: dict[str, Path]) -> None:
    from djl_trtllm.engines.building.measured import quality_of

    for name in ("tokenizer.json", "openvino_model.xml", "openvino_model.bin"):
        shutil.copy(variants["int8"] / name, tmp_path)
    job = QualityJob(out=str(tmp_path), reference=str(tmp_path / "gone"))
    note = quality_of(lambda: quality.run(job, Stages()), sources.read({"quantize": "int8"}, {})).note
    assert "openvino_model.xml" in note
    assert str(tmp_path) not in note


@pytest.mark.long
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_every_family_is_compared_after_every_quantisation(family: str) -> None:
    cases = {name: VARIANTS[name] | {"openvino_group_size": 32} for name in QUANTISED}
    kept = {name: measured(path) for name, path in tiny.variants(family, cases).items()}
    for name, figures in kept.items():
        assert figures["agreement"] > LEAST[name] / 2, (name, figures)
        assert figures["tokens"] > 300
        assert figures["note"] == ""
    assert len({figures["reference_perplexity"] for figures in kept.values()}) == 1
    assert kept["int8"]["agreement"] >= max(kept["int4"]["agreement"], kept["awq"]["agreement"])


def by_transformers(source: Path, compiled: Path, scratch: Path) -> list[Scores]:
    job = ReferenceJob(source=str(source), compiled=str(compiled), dtype="float32", weights=0)
    build = process.Build(
        module=reference_child.__name__,
        job=job,
        origin="x",
        out=scratch,
        scratch=scratch / "scratch",
        memory=lambda how: how,
    )
    return msgspec.convert(process.run(build, Stages()), Reference).scores


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("family", ["llama", "gpt_bigcode", "mistral"])
def test_both_ways_of_scoring_give_the_same(family: str, tmp_path: Path) -> None:
    """OpenVINO's model of a checkpoint scores as transformers does, also with a sliding window shorter than a text."""
    source = tmp_path / "m"
    shutil.copytree(tiny.checkpoint(family), source)
    if family == "mistral":
        config = json.loads((source / "config.json").read_text())
        (source / "config.json").write_text(json.dumps({**config, "sliding_window": 16}))
    made = compile_model(source, tmp_path / "cache", dtype="fp32")
    theirs = by_transformers(source, made.path, tmp_path)
    ours = scores_of(made.path, [one.ids for one in theirs])
    same = compare(theirs, ours)
    assert same.agreement is not None
    assert same.agreement > 0.99
    assert same.perplexity == pytest.approx(same.reference_perplexity, rel=1e-3)
