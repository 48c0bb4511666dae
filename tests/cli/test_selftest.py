"""`djl-trtllm selftest` as a user runs it, on the runtime that this machine has."""

from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.cli.main import main
from tests.cli.selftests import all_well, selftest

QUICK = "gpt2"


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
