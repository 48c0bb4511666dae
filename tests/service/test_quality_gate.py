"""What a floor refuses, and what the refusal says."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import pytest

from djl_trtllm.compile import manifest
from djl_trtllm.compile.manifest import Manifest
from djl_trtllm.compile.quality import Quality
from djl_trtllm.core import CompiledModel
from djl_trtllm.errors import QualityError
from djl_trtllm.options import sources
from djl_trtllm.options.table import Options
from djl_trtllm.service import quality_gate

MEASURED = Quality(0.81, 13.0, 11.8, 504).content()


def options(**given: object) -> Options:
    return sources.read({f"option.{name}": str(value) for name, value in given.items()}, {})


def model(directory: Path, quality: Mapping[str, object] | None) -> CompiledModel:
    (directory / "model.bin").write_bytes(b"weights")
    manifest.write(directory, Manifest("k", {}, manifest.survey(directory), quality=quality))
    return CompiledModel(directory, "llama 12345")


@pytest.mark.parametrize(
    ("quantize", "way"),
    [
        ("int4", r"a smaller openvino_group_size .*, quantize=awq, or quantize=int8"),
        ("awq", r"texts of your own \(calib_dataset, calib_size\), a smaller awq_block_size"),
        ("smoothquant", "another smoothquant_alpha"),
        ("fp8", "quantize=int8"),
        ("int8", "a build without quantize"),
    ],
)
def test_below_the_floor_is_refused_with_both_numbers_and_a_way_out(
    tmp_path: Path, quantize: str, way: str
) -> None:
    with pytest.raises(QualityError) as caught:
        quality_gate.check(model(tmp_path, MEASURED), options(quantize=quantize, quality_floor=0.9))
    text = str(caught.value)
    assert (
        f"After quantize={quantize}, llama 12345 is below quality_floor=0.9 (from serving.properties): "
        in text
    )
    assert "next-token agreement 0.81 over 504 tokens, perplexity 13 against 11.8 unquantised" in text
    assert "or lower quality_floor" in text
    caught.match(way)


@pytest.mark.parametrize("floor", [0.81, 0.5, 0])
def test_what_reaches_the_floor_passes(tmp_path: Path, floor: float) -> None:
    quality_gate.check(model(tmp_path, MEASURED), options(quantize="int4", quality_floor=floor))


def test_without_a_floor_nothing_is_looked_at(tmp_path: Path) -> None:
    quality_gate.check(CompiledModel(tmp_path / "nowhere", "x"), options(quantize="int4"))


@pytest.mark.parametrize(
    ("quality", "because"),
    [(None, ""), (Quality(note="Memory ran out.").content(), r" \(Memory ran out\)")],
)
def test_what_was_not_compared_is_refused_even_by_a_floor_of_zero(
    tmp_path: Path, quality: Mapping[str, object] | None, because: str
) -> None:
    words = rf"quality_floor=0 .* and it was not{because}\. Set option\.cache=rebuild"
    with pytest.raises(QualityError, match=words):
        quality_gate.check(model(tmp_path, quality), options(quantize="int8", quality_floor=0))


def test_a_copied_artifact_is_held_to_the_floor_by_its_manifest_alone(tmp_path: Path) -> None:
    with pytest.raises(QualityError, match=r"After being quantised, .* is below .* Try another quantize"):
        quality_gate.check(model(tmp_path, MEASURED), options(quality_floor=0.9))


def test_a_floor_without_effect_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    quality_gate.check(model(tmp_path, None), options(quality_floor=0.9))
    assert "has no effect on llama 12345: it is not quantised" in caplog.text
    (tmp_path / "manifest.json").unlink()
    quality_gate.check(CompiledModel(tmp_path, "my engine"), options(quality_floor=0.9, quantize="awq"))
    assert "has no effect on my engine: it was compiled elsewhere, and no manifest says" in caplog.text
