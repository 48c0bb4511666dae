from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from djl_trtllm.core import Checkpoint, CompiledModel
from djl_trtllm.errors import ModelNotFound, UnsupportedModel
from djl_trtllm.model import locate
from djl_trtllm.options.table import Options
from djl_trtllm.s3 import client as s3_client
from tests.support import engine_directories as engines
from tests.support import fake_s5cmd, s3
from tests.support.checkpoints import safetensors
from tests.support.plans import Stages

CONNECT = s3_client.connect
CHECKPOINT = {
    "config.json": b'{"model_type": "llama"}',
    "model.safetensors": safetensors(),
    "tokenizer.json": b"{}",
    "pytorch_model.bin": b"a pickle",
    "modeling_x.py": b"raise SystemExit",
    "training/checkpoint-1/model.safetensors": b"of no use",
}


def upload(server: s3.S3, bucket: str, objects: dict[str, bytes], prefix: str = "m") -> str:
    return (
        server.bucket(bucket, {f"{prefix}/{name}": content for name, content in objects.items()})
        + f"/{prefix}"
    )


@pytest.fixture(scope="module")
def server(s3_server: s3.S3) -> Iterator[s3.S3]:
    """S3, and one client for the file: making one takes the SDK half a second."""
    with pytest.MonkeyPatch.context() as patch:
        s3.point(patch, s3_server.environ)
        shared = s3_client.connect({})
        patch.setattr(s3_client, "connect", lambda environ: shared)
        yield s3_server


def find(cache: Path, **options: object) -> Checkpoint | CompiledModel:
    return locate.locate(Options(cache_dir=str(cache), **options), {}, Stages())  # type: ignore[arg-type]


def test_a_checkpoint_in_s3(server: s3.S3, tmp_path: Path) -> None:
    address = upload(server, "bucket-model", CHECKPOINT)
    found = find(tmp_path, model_id=address)
    assert isinstance(found, Checkpoint)
    assert found.origin == address
    assert found.path.is_relative_to(tmp_path / "models")
    assert sorted(path.name for path in found.path.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    server.client.put_object(Bucket="bucket-model", Key="m/tokenizer.json", Body=b'{"new": 1}')
    server.client.delete_object(Bucket="bucket-model", Key="m/training/checkpoint-1/model.safetensors")
    again = find(tmp_path, model_id=address)
    assert (again.path / "tokenizer.json").read_bytes() == b'{"new": 1}'
    tokenizer = locate.tokenizer_directory(Options(cache_dir=str(tmp_path), tokenizer=address), {}, Stages())
    assert tokenizer is not None
    assert [path.name for path in tokenizer.iterdir()] == ["tokenizer.json"]


def test_engines_and_an_openvino_model_in_s3(server: s3.S3, tmp_path: Path) -> None:
    config = json.dumps(engines.config()).encode()
    repository = {"llama/1/config.json": config, "llama/1/rank0.engine": b"e", "llama/config.pbtxt": b""}
    found = find(tmp_path, model_id=upload(server, "bucket-engines", repository))
    assert isinstance(found, CompiledModel)
    assert (found.runtime, found.path.parts[-2:]) == ("trtllm", ("llama", "1"))
    openvino = {"openvino_model.xml": b"<a/>", "openvino_model.bin": b"w", "config.json": b"{}"}
    found = find(tmp_path, model_id=upload(server, "bucket-openvino", openvino))
    assert isinstance(found, CompiledModel)
    assert found.runtime == "openvino"
    with pytest.raises(UnsupportedModel, match="an OpenVINO model and TensorRT engines"):
        find(tmp_path, model_id=upload(server, "bucket-both", {**openvino, **repository}))


def test_what_is_wrong_is_said_with_the_option(server: s3.S3, tmp_path: Path) -> None:
    server.bucket("bucket-empty")
    for name, words in (
        (
            "s3://bucket-empty/m",
            "option.model_id=s3://bucket-empty/m: There is nothing below s3://bucket-empty/m/",
        ),
        ("s3://bucket-absent", "option.model_id=s3://bucket-absent: There is no bucket bucket-absent"),
    ):
        with pytest.raises(ModelNotFound) as caught:
            find(tmp_path, model_id=name)
        assert words in str(caught.value)
    pickled = {name: CHECKPOINT[name] for name in ("config.json", "pytorch_model.bin")}
    address = upload(server, "bucket-pickles", pickled)
    with pytest.raises(UnsupportedModel, match=r"option\.allow_pickle_weights"):
        find(tmp_path, model_id=address)


def test_a_directory_that_cannot_be_written(server: s3.S3, tmp_path: Path) -> None:
    address = upload(server, "bucket-readonly", CHECKPOINT)
    (tmp_path / "models").write_text("a file")
    with pytest.raises(ModelNotFound, match=r"cannot be kept in .*models: .*option\.cache_dir"):
        find(tmp_path, model_id=address)


def test_s5cmd_does_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "connect", CONNECT)
    for name, content in CHECKPOINT.items():
        file = tmp_path / "buckets" / "models" / "m" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    fake_s5cmd.write(tmp_path)
    monkeypatch.setattr(s3_client, "find_spec", lambda name: None)
    environ = {"PATH": str(tmp_path), "FAKE_S5CMD": str(tmp_path / "buckets")}
    options = Options(cache_dir=str(tmp_path / "cache"), model_id="s3://models/m")
    found = locate.locate(options, environ, Stages())
    assert isinstance(found, Checkpoint)
    assert sorted(path.name for path in found.path.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert locate.locate(options, environ, Stages()).path == found.path
