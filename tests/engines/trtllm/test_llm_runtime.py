from pathlib import Path

import pytest

from djl_trtllm.core import CompiledModel
from djl_trtllm.engines.trtllm import versions
from djl_trtllm.engines.trtllm.llm_runtime import TensorRTLLMPyTorch
from djl_trtllm.engines.trtllm.versions import Release
from djl_trtllm.errors import ArtifactError, CompileError, LoadError, OptionsError, RankError
from djl_trtllm.model import checkpoint as checkpoints
from djl_trtllm.options.sources import read
from djl_trtllm.options.table import Options
from djl_trtllm.ranks import Solo
from tests.contract.tensorrt_llm_stand_in import installed
from tests.support.llm_engines import checkpoint
from tests.support.plans import Stages

RUNTIME = TensorRTLLMPyTorch()


def test_nothing_is_compiled(tmp_path: Path) -> None:
    source = checkpoints.read(checkpoint(tmp_path).path, "m")
    assert RUNTIME.plan(source, Options(), 1) is None
    with pytest.raises(CompileError):
        RUNTIME.build(source, Options(), Solo(), tmp_path, Stages())


def test_a_checkpoint_passes(tmp_path: Path) -> None:
    with installed("1.2~"):
        RUNTIME.check(checkpoint(tmp_path), Options(), 1)


def test_engines_are_for_another_runtime(tmp_path: Path) -> None:
    with pytest.raises(
        ArtifactError, match=r"in the format of the runtime trtllm.*Set option\.runtime=trtllm"
    ):
        RUNTIME.check(CompiledModel(tmp_path, "m", runtime="trtllm"), Options(), 1)


def test_ranks_are_refused(tmp_path: Path) -> None:
    model = checkpoint(tmp_path)
    with pytest.raises(RankError, match="Set engine=Python"):
        RUNTIME.check(model, Options(), 2)
    with pytest.raises(RankError, match="Set engine=Python"):
        RUNTIME.follower(model, Options(), Solo())


def test_one_rank_of_mpirun_is_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "1")
    monkeypatch.setenv("OMPI_COMM_WORLD_RANK", "0")
    with installed("1.2~"):
        RUNTIME.check(checkpoint(tmp_path), Options(), 1)


def test_options_that_the_backend_has_not(tmp_path: Path) -> None:
    model = checkpoint(tmp_path)
    with installed("1.2~"), pytest.raises(OptionsError, match="quantize=awq"):
        RUNTIME.check(model, read({"option.quantize": "awq"}, {}), 1)
    with installed("0.21~"), pytest.raises(OptionsError, match=r"1\.0 or later"):
        RUNTIME.check(model, Options(), 1)


def test_without_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing() -> Release | None:
        return None

    monkeypatch.setattr(versions, "installed", nothing)
    with pytest.raises(LoadError, match="none is installed"):
        RUNTIME.check(checkpoint(tmp_path), Options(), 1)
