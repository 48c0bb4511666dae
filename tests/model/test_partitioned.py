import dataclasses
import logging
from pathlib import Path

import pytest

from djl_trtllm.core import Checkpoint, CompiledModel
from djl_trtllm.errors import ArtifactError, UnsupportedModel
from djl_trtllm.model import partitioned
from djl_trtllm.model.locate import locate
from djl_trtllm.model.partitioned import Record, Source
from djl_trtllm.options.table import Options
from tests.support import checkpoints, engine_directories
from tests.support.plans import Stages

OPTIONS = Options(quantize="awq", max_input_len=512, max_rolling_batch_size=64)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return checkpoints.write(tmp_path / "model", model_type="llama")


@pytest.fixture
def repository(tmp_path: Path, model: Path) -> Path:
    """What the conversion step has left where DJL looks for it by name."""
    path = engine_directories.lmi(tmp_path / "trtllm" / ("0123456789" * 4), engine_directories.config())
    Record.of(Source(str(model)), "trtllm", OPTIONS, path).write(path / "llama")
    return path


def source(path: Path, **changes: object) -> Source | None:
    return partitioned.source(path, dataclasses.replace(OPTIONS, **changes))  # type: ignore[arg-type]


def test_a_directory_without_a_record_is_what_it_is(model) -> None:
    assert partitioned.read(model) is None
    assert source(model) is None


def test_engines_are_served_when_everything_is_as_it_was(repository) -> None:
    assert partitioned.read(repository) is not None
    assert source(repository) is None
    assert source(repository, runtime="trtllm", max_output_len=512, default_max_new_tokens=99) is None
    assert source(repository, tensor_parallel_degree="2") is None, "it is in the directory's name"
    assert source(repository, max_rolling_batch_size=32) is None, "engines take fewer requests too"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantize": None}, "quantize is not set and was awq"),
        ({"max_input_len": 2048}, "max_input_len is 2048 and was 512"),
        ({"max_rolling_batch_size": 128}, "max_rolling_batch_size is 128 and was 64"),
        ({"pipeline_parallel_degree": 2}, "pipeline_parallel_degree is 2 and was 1"),
        ({"revision": "v2"}, "revision is v2 and was not set"),
        ({"runtime": "openvino"}, "runtime is openvino and was trtllm"),
    ],
)
def test_old_engines_that_djl_finds_by_name_are_not_served(repository, model, caplog, changes, said) -> None:
    with caplog.at_level(logging.WARNING):
        found = source(repository, **changes)
    assert found == Source(str(model), changes.get("revision"))
    assert said in caplog.text


def test_a_cache_directory_behind_a_link(tmp_path, model) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    path = tmp_path / "link" / "trtllm" / ("0123456789" * 4)
    engine_directories.lmi(path, engine_directories.config())
    Record.of(Source(str(model)), "trtllm", OPTIONS, path).write(path / "llama")
    for seen in (path, path.resolve()):
        assert source(seen) is None
        assert source(seen, max_input_len=9) == Source(str(model))


def test_engines_of_other_weights_are_not_served(repository, model, caplog) -> None:
    (model / "config.json").write_text((model / "config.json").read_text() + " ")
    with caplog.at_level(logging.WARNING):
        assert source(repository) == Source(str(model))
    assert f"the files of {model} are others" in caplog.text


def test_what_was_copied_elsewhere_is_served_as_it_is(repository, model, tmp_path) -> None:
    copied = repository.rename(tmp_path / "copied")
    assert source(copied, quantize=None, max_input_len=2048) is None
    for file in model.iterdir():
        file.unlink()
    model.rmdir()
    assert source(copied) is None


def test_the_model_is_needed_again_and_gone(repository, model) -> None:
    model.rename(model.with_name("away"))
    assert source(repository) is None
    with pytest.raises(
        UnsupportedModel, match=r"max_input_len is 9 and was 512; and the model .* is not there\. Put"
    ):
        source(repository, max_input_len=9)


def test_a_runtime_without_repositories_is_sent_to_the_model(tmp_path, model) -> None:
    path = tmp_path / "copied"
    path.mkdir()
    Record.of(Source("owner/name", "main"), "openvino", OPTIONS, path).write(path)
    assert source(path) == Source("owner/name", "main")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"format": 1, "source": {"model_id": "a", "no": 1}}',
        '{"format": 1, "source": {"model_id": 5}, "runtime": "trtllm"}',
        '{"format": 1, "source": {"model_id": "a"}, "runtime": "trtllm", "options": []}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:60],
)
def test_a_damaged_record(tmp_path, text) -> None:
    (tmp_path / partitioned.NAME).write_text(text)
    with pytest.raises(ArtifactError, match=r"djl_trtllm.json is damaged \(\w+\)\. Remove"):
        partitioned.read(tmp_path)


def test_a_record_of_another_version(tmp_path) -> None:
    (tmp_path / partitioned.NAME).write_text('{"format": 2}')
    with pytest.raises(ArtifactError, match="another version"):
        partitioned.read(tmp_path)


def test_locating_goes_to_the_engines_or_to_the_model(repository, model) -> None:
    served = dataclasses.replace(OPTIONS, model_id=str(repository))
    engines = locate(served, {}, Stages())
    assert isinstance(engines, CompiledModel)
    assert engines.path == repository / "llama" / "1"
    checkpoint = locate(dataclasses.replace(served, max_input_len=2048), {}, Stages())
    assert isinstance(checkpoint, Checkpoint)
    assert checkpoint.path == model
