from pathlib import Path

import pytest

from djl_trtllm.errors import LoadError, ModelNotFound, OptionsError
from djl_trtllm.local import properties
from djl_trtllm.local.deployment import deployment


@pytest.fixture
def scratch(tmp_path) -> Path:
    directory = tmp_path / "scratch"
    directory.mkdir()
    return directory


@pytest.fixture
def model_dir(tmp_path) -> Path:
    directory = tmp_path / "mine"
    directory.mkdir()
    return directory


def write(directory: Path, text: str) -> str:
    (directory / "serving.properties").write_text(text)
    return str(directory)


def test_the_guides_serving_properties(scratch, model_dir):
    model = write(
        model_dir,
        "engine=MPI\noption.tensor_parallel_degree=max\noption.rolling_batch=trtllm\noption.model_id=gpt2\n"
        "# Adjust the following\noption.max_rolling_batch_size=64\noption.max_input_len=1024\n"
        "option.max_output_len=512\noption.entryPoint=djl_trtllm.handler\n",
    )
    found = deployment(model, scratch, {}, {}, gpus=0)
    assert (found.directory, found.engine, found.slots, found.ranks) == (model_dir, "MPI", 64, 1)
    assert found.options == {
        "tensor_parallel_degree": "1",
        "rolling_batch": "trtllm",
        "model_id": "gpt2",
        "max_rolling_batch_size": "64",
        "max_input_len": "1024",
        "max_output_len": "512",
        "entryPoint": "djl_trtllm.handler",
        "model_loading_timeout": "1200",
    }
    assert list(scratch.iterdir()) == []


def test_the_guides_environment(scratch):
    environ = {
        "HF_MODEL_ID": "openai-community/gpt2",
        "TENSOR_PARALLEL_DEGREE": "max",
        "OPTION_ROLLING_BATCH": "trtllm",
        "OPTION_MAX_ROLLING_BATCH_SIZE": "64",
        "OPTION_MAX_INPUT_LEN": "1024",
        "OPTION_MAX_OUTPUT_LEN": "512",
        "OPTION_ENTRYPOINT": "djl_trtllm.handler",
        "PATH": "/bin",
    }
    found = deployment(None, scratch, {}, environ, gpus=0)
    assert (found.engine, found.slots, found.ranks) == ("Python", 64, 1)
    assert found.options["model_id"] == "openai-community/gpt2"
    assert found.options["entryPoint"] == "djl_trtllm.handler"
    written = properties.parse((found.directory / "serving.properties").read_text())
    assert written == {"engine": "Python", **{f"option.{k}": v for k, v in found.options.items()}}


def test_the_command_line_wins_over_the_file_and_the_file_over_the_environment(scratch, model_dir):
    model = write(model_dir, "engine=MPI\noption.mpi_mode=true\noption.dtype=fp16\noption.quantize=awq\n")
    environ = {
        "OPTION_DTYPE": "fp32",
        "OPTION_REVISION": "r1",
        "OPTION_ENGINE": "MPI",
        "OPTION_camelCase": "x",
        "MODEL_LOADING_TIMEOUT": "33",
    }
    found = deployment(model, scratch, {"quantize": "int8", "engine": "Python"}, environ, gpus=0)
    assert found.engine == "Python"
    assert found.options == {
        "dtype": "fp16",
        "quantize": "int8",
        "revision": "r1",
        "camelCase": "x",
        "rolling_batch": "auto",
        "entryPoint": "djl_trtllm.handler",
        "model_loading_timeout": "33",
    }


def test_engine_from_mpi_mode_and_from_the_environment(scratch, model_dir):
    assert deployment(write(model_dir, "option.mpi_mode=True"), scratch, {}, {}, 0).engine == "MPI"
    assert deployment(write(model_dir, ""), scratch, {}, {"OPTION_ENGINE": "mpi"}, 0).engine == "MPI"
    with pytest.raises(OptionsError, match="engine=DeepSpeed"):
        deployment(write(model_dir, "engine=DeepSpeed"), scratch, {}, {}, 0)


def test_a_checkpoint_directory_gets_a_model_directory(scratch, model_dir):
    (model_dir / "config.json").write_text("{}")
    found = deployment(str(model_dir), scratch, {}, {"HF_MODEL_ID": "other/model"}, gpus=0)
    assert found.directory.parent == scratch
    assert found.options["model_id"] == str(model_dir)


def test_a_model_beside_its_properties_is_not_replaced_by_the_environment(scratch, model_dir):
    (model_dir / "config.json").write_text("{}")
    model = write(model_dir, "engine=Python")
    assert deployment(model, scratch, {}, {"HF_MODEL_ID": "a/b"}, 0).options["model_id"] == model
    (model_dir / "config.json").unlink()
    assert deployment(model, scratch, {}, {"HF_MODEL_ID": "a/b"}, 0).options["model_id"] == "a/b"
    assert "model_id" not in deployment(None, scratch, {}, {"HF_MODEL_ID": model}, 0).options


def test_a_model_py_is_its_own_entry_point(scratch, model_dir):
    (model_dir / "model.py").touch()
    assert "entryPoint" not in deployment(write(model_dir, ""), scratch, {}, {}, 0).options


def test_max_stays_where_there_are_gpus(scratch, model_dir):
    model = write(model_dir, "option.tensor_parallel_degree=max")
    assert deployment(model, scratch, {}, {}, gpus=4).options["tensor_parallel_degree"] == "max"


def test_ranks(scratch, model_dir):
    model = write(model_dir, "option.tensor_parallel_degree=2\noption.pipeline_parallel_degree=3")
    assert deployment(model, scratch, {}, {}, gpus=0).ranks == 6


def test_server_settings(scratch, model_dir):
    model = write(
        model_dir, "job_queue_size=7\noption.chunked_read_timeout=2.5\noption.rolling_batch=disable"
    )
    found = deployment(model, scratch, {}, {}, 0)
    assert (found.queue_size, found.chunk_timeout, found.slots) == (7, 2.5, 1)
    environ = {"SERVING_JOB_QUEUE_SIZE": "9", "SERVING_CHUNKED_READ_TIMEOUT": "11"}
    found = deployment(write(model_dir, ""), scratch, {}, environ, 0)
    assert (found.queue_size, found.chunk_timeout, found.slots) == (9, 11, 32)
    for wrong in ("0", "many", "nan"):
        with pytest.raises(OptionsError, match=f"job_queue_size={wrong}"):
            deployment(model, scratch, {"job_queue_size": wrong}, {}, 0)


def test_an_odd_batch_size_is_left_to_the_worker(scratch, model_dir):
    found = deployment(write(model_dir, "option.max_rolling_batch_size=lots"), scratch, {}, {}, 0)
    assert (found.slots, found.options["max_rolling_batch_size"]) == (32, "lots")


def test_no_model(scratch, tmp_path):
    with pytest.raises(ModelNotFound, match="HF_MODEL_ID"):
        deployment(None, scratch, {}, {}, 0)
    for wrong in ("./missing", str(tmp_path / "missing"), "a/b/c", "~/missing/dir"):
        with pytest.raises(ModelNotFound, match="no directory"):
            deployment(wrong, scratch, {}, {}, 0)
    assert deployment("s3://bucket/model", scratch, {}, {}, 0).options["model_id"] == "s3://bucket/model"


def test_an_unreadable_file(scratch, model_dir):
    (model_dir / "serving.properties").write_bytes(b"a=\xff")
    with pytest.raises(LoadError, match="could not be read"):
        deployment(str(model_dir), scratch, {}, {}, 0)
