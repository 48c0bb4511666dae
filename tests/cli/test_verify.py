from __future__ import annotations

import json
from pathlib import Path

import pytest

from djl_trtllm.cli.main import main
from djl_trtllm.compile import in_use
from tests.support import caches


@pytest.fixture
def artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(in_use, "held", {})
    monkeypatch.setenv("OPTION_CACHE_DIR", str(tmp_path))
    caches.made(tmp_path, quantize="awq")
    return caches.made(tmp_path)


def test_whole_models(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["whole", "whole"]
    assert "  org/name  3 files, " in out
    assert "verifying: reading 6 files 100 %" in err


def test_every_bad_file_is_named(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = artifact / "openvino_model.bin"
    weights.write_bytes(b"W" + weights.read_bytes()[1:])
    (artifact / "openvino_model.xml").write_text("short")
    (artifact / "guide" / "config.json").unlink()
    assert main(["verify", artifact.name[:8]]) == 1
    assert capsys.readouterr().out.splitlines() == [
        f"damaged  {artifact.name[:12]}  org/name  in {artifact}",
        "  guide/config.json is missing.",
        "  openvino_model.bin is damaged: its content is not what was built.",
        "  openvino_model.xml has 5 bytes and should have 8.",
    ]
    assert main(["verify", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ok"] is False
    assert sorted(len(one["problems"]) for one in found["artifacts"]) == [0, 3]


def test_a_manifest_that_is_gone(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (artifact / "manifest.json").unlink()
    assert main(["verify"]) == 1
    assert f"{artifact.name} has no readable manifest.json" in capsys.readouterr().out


def test_a_file_that_cannot_be_read(
    artifact: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(_: Path) -> str:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("djl_trtllm.compile.fingerprint.digest", broken)
    assert main(["verify", str(artifact)]) == 1
    assert "  openvino_model.bin cannot be read (Input/output error).\n" in capsys.readouterr().out


def test_another_versions_models_are_skipped(artifact: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (artifact / "manifest.json").write_text('{"format": 99}')
    assert main(["verify", artifact.name]) == 0
    assert capsys.readouterr().out.startswith("skipped  ")


def test_nothing_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--cache-dir", str(tmp_path / "none")]) == 0
    assert "Nothing is compiled" in capsys.readouterr().out


@pytest.mark.parametrize("word", ["ffff", "no-such", "."])
def test_what_is_no_model(artifact: Path, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", word]) == 1
    assert capsys.readouterr().err.startswith("error: ")
