import json
from pathlib import Path

import pytest

from djl_trtllm.core import Checkpoint
from djl_trtllm.errors import ModelNotFound, UnsupportedModel
from djl_trtllm.model import checkpoint
from djl_trtllm.model.families import FAMILIES
from tests.support.checkpoints import safetensors, write


def read(path: Path) -> Checkpoint:
    return checkpoint.read(path, "my model")


def test_a_checkpoint_is_read(tmp_path: Path) -> None:
    found = read(write(tmp_path))
    assert found.model_type == "llama"
    assert found.origin == "my model"
    checkpoint.check_weights(found, allow_pickle=False)
    assert checkpoint.weights_bytes(found) == (tmp_path / "model.safetensors").stat().st_size


@pytest.mark.parametrize("content", ["", '{"model_type": "lla', "[1]", "\x00", "[" * 100_000])
def test_a_broken_configuration_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ModelNotFound, match=r"config\.json of my model .* again\."):
        read(tmp_path)


def test_a_configuration_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(ModelNotFound, match=r"config\.json of my model cannot be read: Is a directory"):
        read(tmp_path)


@pytest.mark.parametrize("config", [{}, {"model_type": 3}, {"model_type": ""}])
def test_a_configuration_without_a_type_is_refused(tmp_path: Path, config: dict[str, object]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UnsupportedModel, match="no model_type"):
        read(tmp_path)


def test_no_weights_at_all(tmp_path: Path) -> None:
    (write(tmp_path) / "model.safetensors").unlink()
    with pytest.raises(ModelNotFound, match="no weights"):
        checkpoint.check_weights(read(tmp_path), allow_pickle=False)


def test_pickled_weights_are_refused_unless_allowed(tmp_path: Path) -> None:
    (write(tmp_path) / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(UnsupportedModel) as caught:
        checkpoint.check_weights(read(tmp_path), allow_pickle=False)
    assert "pytorch_model.bin" in str(caught.value)
    assert "option.allow_pickle_weights=true" in str(caught.value)
    checkpoint.check_weights(read(tmp_path), allow_pickle=True)
    assert checkpoint.weights_bytes(read(tmp_path)) > 0


def test_other_pickles_are_never_read(tmp_path: Path) -> None:
    (write(tmp_path) / "model.safetensors").rename(tmp_path / "consolidated.00.pth")
    (tmp_path / "training_args.bin").touch()
    with pytest.raises(UnsupportedModel, match=r"only consolidated\.00\.pth"):
        checkpoint.check_weights(read(tmp_path), allow_pickle=True)


def test_pickles_beside_safetensors_are_ignored(tmp_path: Path) -> None:
    (write(tmp_path) / "pytorch_model.bin").touch()
    checkpoint.check_weights(read(tmp_path), allow_pickle=False)
    assert all(path.suffix != ".bin" for path in checkpoint.build_files(read(tmp_path)))


@pytest.mark.parametrize(
    "name",
    [
        "../outside.safetensors",
        "/etc/x.safetensors",
        "..\\x.safetensors",
        "x\n2026 INFO all is well.safetensors",
        "x\0.safetensors",
        "x\x1b[2J.safetensors",
        "model.bin",
    ],
    ids=ascii,
)
def test_an_index_that_names_files_elsewhere(tmp_path: Path, name: str) -> None:
    write(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": name}}))
    with pytest.raises(UnsupportedModel, match="beside it") as caught:
        checkpoint.check_weights(checkpoint.read(tmp_path, "the model"), allow_pickle=True)
    assert str(caught.value).isprintable()


def test_missing_shards_are_counted(tmp_path: Path) -> None:
    write(tmp_path)
    names = [f"model-0000{n}-of-00006.safetensors" for n in range(1, 7)]
    weight_map = {f"w{name}": name for name in names}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    (tmp_path / names[0]).write_bytes(safetensors())
    with pytest.raises(ModelNotFound, match=r"lacks 5 of 6 weight files: .* and 2 more"):
        checkpoint.check_weights(read(tmp_path), allow_pickle=False)
    (tmp_path / names[1]).write_bytes(safetensors()[:-1])
    with pytest.raises(ModelNotFound) as caught:
        checkpoint.check_weights(read(tmp_path), allow_pickle=False)
    assert ["lacks 4 of 6" in said or names[1] in said for said in caught.value.problems] == [True, True]
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(ModelNotFound, match="no weight_map"):
        checkpoint.check_weights(read(tmp_path), allow_pickle=False)


@pytest.mark.parametrize("length", [0, 7, 8, 20, -1])
def test_truncated_weights_are_found_without_reading_them(tmp_path: Path, length: int) -> None:
    file = write(tmp_path) / "model.safetensors"
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(ModelNotFound, match=r"In my model: model\.safetensors .* again\."):
        checkpoint.check_weights(read(tmp_path), allow_pickle=False)


@pytest.mark.parametrize(
    "header",
    [
        b"{}x",
        b"[1, 2]",
        b'{"w": {}}',
        b'{"w": {"data_offsets": 3}}',
        b'{"w": {"shape": [1], "data_offsets": [0, "x"]}}',
        b'{"w": {"shape": [1], "data_offsets": [0, true]}}',
        b'{"w": {"shape": [[1]], "data_offsets": [0, 1]}}',
        b'{"w": {"shape": null, "data_offsets": [0, 1]}}',
        b'{"w": {"shape": [-1], "data_offsets": [0, 1]}}',
        b"[" * 100_000,
    ],
    ids=lambda header: header[:40].decode(),
)
def test_broken_headers_are_named(tmp_path: Path, header: bytes) -> None:
    (write(tmp_path) / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(ModelNotFound, match="cannot be read as safetensors"):
        checkpoint.check_weights(read(tmp_path), allow_pickle=False)


def test_every_broken_file_is_a_problem_of_its_own(tmp_path: Path) -> None:
    write(tmp_path)
    for name in ("a.safetensors", "b.safetensors"):
        (tmp_path / name).touch()
    with pytest.raises(ModelNotFound) as caught:
        checkpoint.check_weights(read(tmp_path), allow_pickle=False)
    assert len(caught.value.problems) == 2


def test_code_of_an_unknown_architecture_needs_trust(tmp_path: Path) -> None:
    write(
        tmp_path,
        model_type="baichuan",
        auto_map={"AutoModelForCausalLM": "modeling_baichuan.BaichuanForCausalLM"},
    )
    with pytest.raises(UnsupportedModel, match=r"'baichuan'.*option\.trust_remote_code=true"):
        checkpoint.check_code(read(tmp_path), FAMILIES, trusted=False)
    checkpoint.check_code(read(tmp_path), FAMILIES, trusted=True)


def test_code_beside_a_known_architecture_is_never_needed(tmp_path: Path) -> None:
    write(tmp_path, auto_map={"AutoConfig": "configuration_x.Config"})
    checkpoint.check_code(read(tmp_path), FAMILIES, trusted=False)


def test_build_files_are_what_a_build_reads(tmp_path: Path) -> None:
    write(tmp_path)
    for name in ("README.md", "LICENSE", "tokenizer.json", "vocab.json", "modeling_x.py", "other.bin"):
        (tmp_path / name).touch()
    names = [path.name for path in checkpoint.build_files(read(tmp_path))]
    assert names == ["config.json", "model.safetensors", "tokenizer.json", "vocab.json"]
    assert "modeling_x.py" in [path.name for path in checkpoint.build_files(read(tmp_path), code=True)]
