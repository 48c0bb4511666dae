import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from djl_trtllm.compile import manifest
from djl_trtllm.compile.manifest import Manifest
from djl_trtllm.engines.trtllm import prebuilt
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import ArtifactError
from djl_trtllm.options.sources import read
from djl_trtllm.options.table import Options
from tests.support import engine_directories as engines

V12 = Release.of("0.12.0")


@dataclass(frozen=True)
class Gpu:
    name: str
    capability: str


A100 = Gpu("NVIDIA A100-SXM4-40GB", "8.0")
L4 = Gpu("NVIDIA L4", "8.9")


def refusals(path: Path, options: Options | None = None, world: int = 1, **more: Any) -> list[str]:
    release, devices = more.get("release", V12), more.get("devices", ())
    with pytest.raises(ArtifactError) as caught:
        prebuilt.check(path, options or Options(), world, release, devices)
    return list(caught.value.problems)


def test_whole_engines_pass_and_their_facts_come_back(tmp_path: Path) -> None:
    engines.write(tmp_path, engines.config(tp=2), ranks=2)
    facts = prebuilt.check(tmp_path, Options(tensor_parallel_degree="2"), 2, V12, [A100, A100])
    assert facts.world_size == 2


def test_another_version(tmp_path: Path) -> None:
    engines.write(tmp_path, engines.config("0.11.0"))
    (said,) = refusals(tmp_path)
    assert "was built by TensorRT-LLM 0.11.0, and 0.12.0 is installed here" in said
    (said,) = refusals(tmp_path, release=None)
    assert "0.11.0, and none is installed here" in said


def test_another_patch_of_the_version_is_tried_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engines.write(tmp_path, engines.config("0.12.0.dev2024080600"))
    prebuilt.check(tmp_path, Options(), 1, V12, [])
    assert "was built by TensorRT-LLM 0.12.0.dev2024080600 and 0.12.0 is installed" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING


def test_a_version_that_is_none(tmp_path: Path) -> None:
    (said,) = refusals(engines.write(tmp_path, engines.config("new")))
    assert "version='new'" in said


def test_engines_of_the_build_scripts_run_on_0_8_only(tmp_path: Path) -> None:
    engines.write(tmp_path, engines.legacy_config(), name="gpt_float16_tp1_rank{}.engine")
    assert prebuilt.check(tmp_path, Options(), 1, Release.of("0.8.0"), []).legacy
    (said,) = refusals(tmp_path)
    assert "TensorRT-LLM 0.8 or before has built them, and 0.12.0 is installed here" in said


def test_four_ranks_are_not_two(tmp_path: Path) -> None:
    engines.write(tmp_path, engines.config(tp=2, pp=2), ranks=4)
    (said,) = refusals(tmp_path, world=2)
    assert "are for 4 ranks (tensor parallel 2 x pipeline parallel 2), and 2 ranks were started" in said
    assert "option.tensor_parallel_degree=2 and option.pipeline_parallel_degree=2" in said
    (said,) = refusals(tmp_path)
    assert "and 1 rank was started" in said


def test_a_world_that_is_no_product(tmp_path: Path) -> None:
    content = engines.config(tp=2)
    content["pretrained_config"]["mapping"]["world_size"] = 4
    (said,) = refusals(engines.write(tmp_path, content, ranks=4), world=4)
    assert "world_size=4 and tensor parallel 2 x pipeline parallel 1, which are 2 ranks" in said


def test_degrees_that_differ_from_the_engines(tmp_path: Path) -> None:
    engines.write(tmp_path, engines.config(), ranks=1)
    options = read({"option.tensor_parallel_degree": "2", "option.pipeline_parallel_degree": "3"}, {})
    first, second = refusals(tmp_path, options)
    assert "tensor_parallel_degree=2 (from serving.properties) differs from the engines" in first
    assert "were built for 1. Leave it out or set it to 1." in first
    assert "pipeline_parallel_degree=3" in second


def test_djls_own_number_of_ranks_is_no_contradiction(tmp_path: Path) -> None:
    engines.write(tmp_path, engines.config(tp=1, pp=2), ranks=2)
    options = read({"tensor_parallel_degree": 2}, {})
    assert prebuilt.check(tmp_path, options, 2, V12, []).pp_size == 2
    most = read({"option.tensor_parallel_degree": "max"}, {})
    assert prebuilt.check(tmp_path, most, 2, V12, []).pp_size == 2


def test_missing_empty_and_pointer_files_all_at_once(tmp_path: Path) -> None:
    engines.write(tmp_path, engines.config(tp=4), ranks=4)
    (tmp_path / "rank1.engine").unlink()
    (tmp_path / "rank2.engine").write_bytes(b"")
    (tmp_path / "rank3.engine").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    missing, empty, pointer = refusals(tmp_path, world=4)
    assert "lacks the engine of rank 1 of 4; it holds rank0.engine, rank2.engine, rank3.engine" in missing
    assert "rank2.engine is empty (0 bytes)" in empty
    assert "rank3.engine is only a pointer of Git LFS" in pointer


def test_no_file_and_no_config_are_said_together(tmp_path: Path) -> None:
    config, files = refusals(tmp_path, world=2)
    assert "config.json cannot be read" in config
    assert "lacks the engine of rank 0, 1 of 2; it holds no engine file" in files


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    engines.write(tmp_path, engines.config(), ranks=0)
    (tmp_path / "rank0.engine").mkdir()
    (said,) = refusals(tmp_path)
    assert "rank0.engine cannot be read (Is a directory)" in said


def compiled(path: Path, device: str) -> Path:
    """Engines as they are copied from the cache of another machine."""
    engines.write(path, engines.config(tp=2), ranks=2)
    manifest.write(path, Manifest("0" * 32, {"device": device}, manifest.survey(path)))
    return path


def test_engines_of_another_gpu(tmp_path: Path) -> None:
    compiled(tmp_path, "NVIDIA A100-SXM4-40GB (compute capability 8.0)")
    prebuilt.check(tmp_path, Options(), 2, V12, [A100, A100, L4])  # the third is nobody's
    (said,) = refusals(tmp_path, world=2, devices=[L4, L4])
    assert "was built on NVIDIA A100-SXM4-40GB (compute capability 8.0)" in said
    assert "this machine has NVIDIA L4 (compute capability 8.9)" in said
    (said,) = refusals(tmp_path, world=2, devices=[A100, L4])
    assert "NVIDIA L4" in said


def test_a_tokenizer_is_found_beside_the_engines_or_one_level_up(tmp_path: Path) -> None:
    engines.lmi(tmp_path, engines.config())
    home, place = tmp_path / "llama", tmp_path / "llama" / "1"
    with pytest.raises(ArtifactError, match=r"llama has no tokenizer: neither tokenizer\.json"):
        prebuilt.check(place, Options(), 1, V12, [], text=home)
    (home / "tokenizer.model").touch()
    prebuilt.check(place, Options(), 1, V12, [], text=home)
    (home / "tokenizer.model").rename(place / "tokenizer.json")
    prebuilt.check(place, Options(), 1, V12, [], text=home)


def test_everything_at_once(tmp_path: Path) -> None:
    compiled(tmp_path, "NVIDIA A100-SXM4-40GB (compute capability 8.0)")
    (tmp_path / "rank1.engine").write_bytes(b"")
    assert len(refusals(tmp_path, world=1, release=Release.of("1.0.0"), devices=[L4])) == 4
