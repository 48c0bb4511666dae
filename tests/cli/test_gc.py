from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from djl_trtllm.cli.main import main
from djl_trtllm.compile import in_use
from djl_trtllm.model import snapshot
from tests.model import test_fetched
from tests.support import caches


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with two models, of which this process uses one, and what a killed build has left."""
    monkeypatch.setattr(in_use, "held", {})
    monkeypatch.setattr(snapshot, "_in_use", {})
    monkeypatch.setenv("OPTION_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("OPTION_CACHE_MAX_SIZE", raising=False)
    caches.made(tmp_path, quantize="awq")
    for use in in_use.held.values():
        use.release()
    in_use.held.clear()
    caches.made(tmp_path)
    left = tmp_path / "building" / f"{'0' * 32}.4194305.abcd"  # above the largest process id
    left.mkdir()
    (left / "half").write_bytes(bytes(1000))
    return tmp_path


def collected(*words: str, capsys: pytest.CaptureFixture[str]) -> dict:
    assert main(["gc", "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def test_debris_alone(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = collected(capsys=capsys)
    (removed,) = found["removed"]
    assert (removed["why"], removed["bytes"], found["bytes"]) == ("its builder has died", 1000, 1000)
    assert sorted(kept["in_use"] for kept in found["kept"]) == [False, True]
    assert collected(capsys=capsys)["removed"] == []
    assert list((root / "building").iterdir()) == []


def test_a_dry_run_removes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gc", "--dry-run", "--max-size", "0"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines()[:1]] == ["would"]
    assert "its builder has died" in out
    assert "least recently used" in out
    assert "would be free" in out
    assert len(list((root / "building").iterdir())) == 1
    assert len(list((root / "artifacts").iterdir())) == 2
    assert err.startswith("note: that is more than 0 bytes")


def test_the_rest_but_never_what_is_in_use(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = collected("--max-size", "0", capsys=capsys)
    assert [removed["why"] for removed in found["removed"]] == ["its builder has died", "least recently used"]
    (kept,) = found["kept"]
    assert kept["in_use"] is True
    assert [path.name for path in (root / "artifacts").iterdir()] == [kept["key"]]


def test_a_limit_from_the_environment(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPTION_CACHE_MAX_SIZE", "1GiB")
    assert len(collected(capsys=capsys)["removed"]) == 1
    monkeypatch.setenv("OPTION_CACHE_MAX_SIZE", "1KiB")
    assert len(collected(capsys=capsys)["removed"]) == 1
    monkeypatch.setenv("OPTION_CACHE_MAX_SIZE", "much")
    assert main(["gc"]) == 1
    assert "OPTION_CACHE_MAX_SIZE: 'much' is not a size" in capsys.readouterr().err


def test_damaged_models_go(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for artifact in (root / "artifacts").iterdir():
        os.truncate(artifact / "openvino_model.bin", 3)
    assert main(["gc"]) == 0
    out, _ = capsys.readouterr()
    assert "openvino_model.bin of " in out
    assert "are free\n" in out
    assert "1 compiled model, " in out, "the one in use stays, damaged or not"


def test_nothing_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gc", "--cache-dir", str(tmp_path / "none")]) == 0
    assert capsys.readouterr().out.startswith(
        "Nothing is to be removed.\n0 compiled models, 0 bytes, stay in "
    )


def test_a_limit_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["gc", "--max-size", "-1"])
    assert ended.value.code == 2


def test_fetched_models_count_and_go_with_the_others(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = test_fetched.fetch(root, "model_id", 1e9), test_fetched.fetch(root, "tokenizer", 4e9)
    whole = collected(capsys=capsys)
    assert [kept["bytes"] for kept in whole["kept_models"]] == [5002, 5002]
    limit = whole["kept_bytes"] - 1
    rehearsed = collected("--dry-run", "--max-size", f"{limit}", capsys=capsys)
    assert [removed["name"] for removed in rehearsed["removed"]] == [f"{old.parent.name}/{old.name}"]
    assert old.is_dir()
    assert collected("--max-size", f"{limit}", capsys=capsys)["removed"] == rehearsed["removed"]
    assert (old.exists(), new.is_dir()) == (False, True)
    assert main(["gc", "--max-size", "0"]) == 0
    assert f"{new.parent.name}/{new.name}" in capsys.readouterr().out
    assert not new.exists()
