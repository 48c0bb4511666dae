from __future__ import annotations

import socket
from pathlib import Path

import pytest

from djl_trtllm.doctor import artifact, model, places, tokenizer
from tests.support import broken, examined

NAMED = f"{examined.RIGHT}option.model_id=org/tiny\n"


@pytest.fixture(autouse=True)
def _offline_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub's cache of our own, and no network at all."""
    from huggingface_hub import _snapshot_download, constants

    broken.machine(monkeypatch, {})
    for module in (constants, _snapshot_download):  # releases before 0.24 have a name of their own for it
        monkeypatch.setattr(module, "HF_HUB_CACHE", str(tmp_path / "hub"), raising=False)
    # Old versions have a name of their own for it.
    monkeypatch.setattr(
        "huggingface_hub._snapshot_download.HF_HUB_CACHE", str(tmp_path / "hub"), raising=False
    )

    def connect(self: socket.socket, address: object) -> None:
        raise AssertionError(f"a check connects to {address}")

    monkeypatch.setattr(socket.socket, "connect", connect)


def fetched(tmp_path: Path, name: str = "org/tiny") -> Path:
    """What a download would have left there."""
    home = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text("0" * 40)
    (home / "snapshots").mkdir()
    return examined.write(home / "snapshots" / ("0" * 40))


def named(tmp_path: Path, text: str = NAMED) -> Path:
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "serving.properties").write_text(text)
    return directory


def test_a_model_that_is_elsewhere(tmp_path: Path) -> None:
    subject = examined.subject(named(tmp_path))
    assert subject.place == places.Place(None, elsewhere="org/tiny")
    ((gravity, told),) = examined.said(model.examine(subject))
    assert (gravity, "it is not on this machine" in told) == ("note", True)


def test_a_model_that_was_fetched_before(tmp_path: Path) -> None:
    home = fetched(tmp_path)
    subject = examined.subject(named(tmp_path))
    assert subject.checkpoint is not None
    assert subject.checkpoint.origin == "org/tiny"
    found = examined.said(model.examine(subject))
    assert [gravity for gravity, _ in found] == ["ok", "ok"]
    assert found[0][1] == f"org/tiny was fetched from the hub before, to {home}."
    assert examined.said(tokenizer.examine(subject))[0][1].startswith("524 tokens")


def test_a_model_that_was_fetched_in_part(tmp_path: Path) -> None:
    (fetched(tmp_path) / "model.safetensors").unlink()
    ((gravity, told),) = examined.said(model.examine(examined.subject(named(tmp_path))))
    assert (gravity, "was fetched from the hub in part" in told) == ("note", True)


def test_a_fetched_model_that_cannot_be_served(tmp_path: Path) -> None:
    (fetched(tmp_path) / "config.json").write_text('{"model_type": "mamba2", "auto_map": {"a": "b"}}')
    found = examined.said(model.examine(examined.subject(named(tmp_path))))
    assert [gravity for gravity, _ in found] == ["ok", "problem", "problem"]
    assert "org/tiny is of type 'mamba2', which is defined by Python code" in found[1][1]


@pytest.mark.parametrize("address", ["s3://bucket/models/tiny", "s3://bucket/models/tiny/"])
def test_an_address_is_not_followed(address: str, tmp_path: Path) -> None:
    directory = named(tmp_path, f"{examined.RIGHT}option.model_id={address}\n")
    ((gravity, told),) = examined.said(model.examine(examined.subject(directory)))
    assert (gravity, told.startswith(f"{address} is fetched when the model loads")) == ("note", True)


def test_an_address_that_is_none(tmp_path: Path) -> None:
    directory = named(tmp_path, f"{examined.RIGHT}option.model_id=ftp://host/tiny\n")
    ((gravity, told),) = examined.said(model.examine(examined.subject(directory)))
    assert (gravity, "ftp:// addresses are not read" in told) == ("problem", True)


def test_a_tokenizer_that_is_elsewhere(tmp_path: Path) -> None:
    directory = examined.write(tmp_path / "model", f"{examined.RIGHT}option.tokenizer=org/tiny\n")
    subject = examined.subject(directory)
    assert subject.tokenizer == (None, True)
    assert [gravity for gravity, _ in examined.said(tokenizer.examine(subject))] == ["note"]
    assert subject.plan is None
    home = fetched(tmp_path)
    subject = examined.subject(directory)
    assert subject.tokenizer == (home, False)
    assert subject.plan is not None


def test_a_directory_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "config.json")

    monkeypatch.setattr(places.search, "locate", refuses)
    ((gravity, told),) = examined.said(model.examine(examined.subject(examined.write(tmp_path / "model"))))
    assert (gravity, told) == ("problem", "The model cannot be read: Permission denied (config.json).")


def test_an_address_that_nothing_here_can_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("djl_trtllm.s3.client.find_spec", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    directory = named(tmp_path, f"{examined.RIGHT}option.model_id=s3://bucket/tiny\n")
    found = examined.said(model.examine(examined.subject(directory, {"PATH": str(tmp_path)})))
    assert [gravity for gravity, _ in found] == ["note", "problem"]
    assert "pip install 'djl-trtllm[s3]'" in found[1][1]


def test_a_compiled_model_that_was_fetched_before(tmp_path: Path) -> None:
    home = fetched(tmp_path)
    (home / "openvino_model.xml").write_text("<net/>")
    (home / "openvino_model.bin").write_bytes(b"")
    subject = examined.subject(named(tmp_path))
    assert subject.compiled is not None
    ((gravity, told),) = examined.said(artifact.examine(subject))
    assert (gravity, told) == ("ok", "org/tiny fits this machine and these options.")
