from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from djl_trtllm.cli import cache
from djl_trtllm.cli.main import main
from djl_trtllm.compile import in_use, quality
from tests.support import caches, quick_builds, tiny


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with a model in use, by this process, and a quantised one that is not."""
    monkeypatch.setattr(in_use, "held", {})
    monkeypatch.setenv("OPTION_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("HF_MODEL_ID", raising=False)
    caches.made(tmp_path, quantize="awq")
    for use in in_use.held.values():
        use.release()
    in_use.held.clear()
    caches.made(tmp_path, "/models/some-name")
    return tmp_path


def shown(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["inspect", *words]) == 0
    return capsys.readouterr().out


def document(*words: str, capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(shown(*words, "--json", capsys=capsys))


def keys(root: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    first, second = document(capsys=capsys)["artifacts"]
    return first["key"], second["key"]


def test_the_list(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    used, unused = keys(root, capsys)
    lines = shown(capsys=capsys).splitlines()
    assert lines[0].split() == ["key", "model", "runtime", "size", "compiled", "last", "used"]
    assert lines[1].startswith(f"{used[:12]}  some-name  openvino  ")
    assert lines[1].endswith("  in use")
    assert lines[2].startswith(f"{unused[:12]}  org/name   openvino  ")
    assert lines[3].startswith("2 compiled models, ")


def test_an_empty_cache(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = str(tmp_path / "nowhere")
    assert shown("--cache-dir", nowhere, capsys=capsys) == f"Nothing is compiled in {nowhere}.\n"
    assert document("--cache-dir", nowhere, capsys=capsys) == {"cache": nowhere, "bytes": 0, "artifacts": []}


def test_one_by_the_beginning_of_its_key(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, key = keys(root, capsys)
    text = shown(key[:8], capsys=capsys)
    assert text.startswith(f"org/name  {key}\n  model      org/name, llama\n  runtime    openvino\n")
    assert f"  quality    {quality.line(caches.QUALITY)}\n" in text
    assert f"  directory  {root / 'artifacts' / key}\n" in text
    assert "model.safetensors  bbbbbbbbbbbb\n" in text
    assert "model_id  org/name  serving.properties\n" in text
    assert "  quantize  awq\n" in text
    assert "  openvino  2026.4.1\n" in text
    assert "guide/config.json   2 bytes  " in text
    found = document(key[:8], capsys=capsys)
    assert found["manifest"]["plan"]["options"]["quantize"] == "awq"
    assert found["manifest"]["options"]["model_id"] == ["org/name", "serving.properties"]
    assert (found["in_use"], found["problem"]) == (False, "")


def test_all_of_them(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = shown("all", capsys=capsys)
    assert text.count("\nMade from these files\n") == 2


@pytest.mark.parametrize("words", [["ffffffff"], ["a directory"]])
def test_what_is_not_there(root: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", *words]) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")


def test_a_beginning_of_several_keys(root: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    (root / "artifacts" / "abcd1").mkdir()
    (root / "artifacts" / "abcd2").mkdir()
    assert main(["inspect", "abcd"]) == 1
    assert "abcd is the beginning of 2 keys: abcd" in capsys.readouterr().err


def test_damaged_ones_are_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, key = keys(root, capsys)
    (root / "artifacts" / key / "manifest.json").write_text("{}")
    assert main(["inspect"]) == 0
    out, err = capsys.readouterr()
    assert f"{key[:12]}  (damaged)" in out
    assert err == f"warning: The manifest.json of {key} is damaged.\n"
    assert "error: The manifest.json of" in shown(key, capsys=capsys)


def test_those_of_another_version_are_no_damage(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, key = keys(root, capsys)
    (root / "artifacts" / key / "manifest.json").write_text('{"format": 99}')
    assert main(["inspect"]) == 0
    out, err = capsys.readouterr()
    assert f"{key[:12]}  (of another version)" in out
    assert err == ""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    directory = tmp_path / "model"
    directory.mkdir()
    (directory / "serving.properties").write_text(
        f"option.model_id={tiny.checkpoint('llama')}\noption.dtype=fp32\n"
    )
    return directory


def test_whether_a_start_would_be_a_hit(
    root: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    builds = quick_builds.install(monkeypatch)
    assert "would compile: this model has not been compiled here before." in shown(str(model), capsys=capsys)
    assert main(["compile", str(model)]) == 0
    capsys.readouterr()
    hit = shown(str(model), capsys=capsys)
    assert "A start here would be a hit: compiled " in hit
    assert "from the same files, options and versions" in hit
    told = document(str(model), capsys=capsys)
    assert (told["hit"], told["mode"], told["nearest"]) == (True, "use", None)
    assert Path(told["artifact"]).name == told["key"]
    missed = shown(str(model), "--option", "dtype=fp16", capsys=capsys)
    assert f"would compile: what differs from {told['key'][:12]} of " in missed
    assert "- option dtype is fp16 and was fp32\n" in missed
    monkeypatch.setenv("OPTION_ROTARY_BASE", "7")
    differences = document(str(model), capsys=capsys)["nearest"]["differences"]
    assert differences == ["option rotary_base is 7.0 and was not set"]
    assert len(builds) == 1


def test_a_start_that_would_not_look(
    root: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick_builds.install(monkeypatch)
    text = shown(str(model), "--option", "cache=rebuild", capsys=capsys)
    assert "would compile: cache=rebuild (from --option).\n" in text


def test_a_start_whose_model_is_damaged(
    root: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    quick_builds.install(monkeypatch)
    assert main(["compile", str(model), "--json"]) == 0
    path = Path(json.loads(capsys.readouterr().out)["path"])
    (path / "openvino_model.bin").unlink()
    text = shown(str(model), capsys=capsys)
    assert "cannot be used: openvino_model.bin of" in text


def test_a_directory_that_was_written_out(
    root: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    quick_builds.install(monkeypatch)
    assert main(["compile", str(model), "--output", str(tmp_path / "out")]) == 0
    capsys.readouterr()
    text = shown(str(tmp_path / "out"), capsys=capsys)
    assert f"  directory  {tmp_path / 'out'}\n" in text
    assert "openvino_model.bin" in text


def test_a_compiled_model_from_elsewhere(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    for name in ("openvino_model.xml", "openvino_model.bin"):
        (other / name).touch()
    assert "A start compiles nothing: the model is run as it is." in shown(str(other), capsys=capsys)
    assert document(str(other), capsys=capsys)["hit"] is True


def test_nothing_is_fetched_from_the_hub(root: Path) -> None:
    # In a process of its own: the hub's library reads its environment once.
    command = [sys.executable, "-m", "djl_trtllm.cli.main", "inspect", "org/no-such-model", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "HF_HUB_OFFLINE is set" in json.loads(ran.stdout)["error"][0]


def test_nothing_is_fetched_from_s3(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "s3://bucket/model", "--json"]) == 1
    assert "s3://bucket/model is not on this machine." in json.loads(capsys.readouterr().out)["error"][0]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "now"), (1, "1 second ago"), (59, "59 seconds ago"), (7300, "2 hours ago"), (86400, "1 day ago")],
)
def test_how_long_ago(seconds: int, words: str) -> None:
    assert cache.ago(1000.0, 1000.0 + seconds) == words
