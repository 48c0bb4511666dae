"""`djl-trtllm selftest` as a user runs it, on the runtime that this machine has."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from djl_trtllm.cli.main import main
from djl_trtllm.model.families import FAMILIES

QUICK = "gpt2"


def selftest(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "djl_trtllm.cli.main", "selftest", "--runtime", "openvino", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def all_well(done: subprocess.CompletedProcess[str], report: Path, count: int) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads(report.read_text())
    assert content["well"] is True
    assert [case["verdict"] for case in content["cases"]] == ["ok"] * count
    for case in content["cases"]:
        compared = {check["name"]: check["message"] for check in case["checks"]}
        if case["quantize"] == "none":
            assert compared["greedy, alone"] == compared["greedy, together"] == "144 tokens equal"
        else:
            assert "the floor is" in compared["agreement"]


@pytest.mark.compile
@pytest.mark.timeout(900)
def test_one_family(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    words = ("--families", QUICK, "--quantize", "none", "--keep", str(tmp_path / "kept"))
    done = selftest(*words, "--json", str(report))
    all_well(done, report, 1)
    lines = done.stdout.splitlines()
    assert lines[0].startswith("runtime openvino, 1 rank, on ")
    assert lines[-1] == "1 of 1 cases are well."
    assert "7/7  ok" in done.stdout
    text = report.read_text()
    assert str(tmp_path) not in text
    assert str(Path.home()) + "/" not in text
    made = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert made == ["gpt2", "models.log"]

    # What is kept is used: an answer that is wrong there is found.
    kept = tmp_path / "kept" / QUICK / "reference.json"
    reference = json.loads(kept.read_text())
    answer = reference["answers"][3]
    answer["tokens"][5] = (answer["tokens"][5] + 1) % 768
    answer["gaps"][5] = 1.0
    kept.write_text(json.dumps(reference))
    done = selftest("--families", QUICK, "--quantize", "none", "--keep", str(tmp_path / "kept"))
    assert done.returncode == 1
    assert "greedy, alone: 1 answers differ, 137 tokens equal. prompt 3 of 12, position 5" in done.stdout
    assert "making" not in done.stdout


@pytest.mark.long
@pytest.mark.compile
@pytest.mark.timeout(1800)
def test_every_family(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = selftest("--quantize", "none", "--json", str(report))
    all_well(done, report, len(FAMILIES))


@pytest.mark.long
@pytest.mark.compile
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("quantize", ["int8", "int4", "awq", "smoothquant"])
def test_every_quantisation(tmp_path: Path, quantize: str) -> None:
    report = tmp_path / "report.json"
    families = ("llama", "falcon")
    done = selftest("--quantize", quantize, "--families", ",".join(families), "--json", str(report))
    all_well(done, report, len(families))


def test_what_would_be_tried(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["selftest", "--runtime", "openvino", "--families", "opt,llama", "--list"]
    assert main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["llama none", "llama smoothquant"]
    assert lines[-1].startswith("not supported: opt fp8: ")
    assert len(lines) == 12


def test_the_runtime_is_what_this_machine_has(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["selftest", "--families", "glm4", "--quantize", "none", "--list"]) == 0
    assert capsys.readouterr().out == "glm4 none\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--families", "nothing"], "there is no family nothing here"),
        (["--ranks", "2"], "one process"),
        (["--prepare"], "--prepare needs --keep"),
    ],
)
def test_what_cannot_be_done_is_said(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    listed = [] if "--prepare" in words else ["--list"]
    assert main(["selftest", "--runtime", "openvino", *listed, *words]) == 1
    assert said in capsys.readouterr().err


def test_wrong_words_are_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["selftest", "--ranks", "0"])
    assert caught.value.code == 2
    assert "no whole number above 0" in capsys.readouterr().err
