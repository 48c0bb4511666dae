from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from djl_trtllm.cli import console, ranked
from djl_trtllm.cli.outcome import Outcome
from djl_trtllm.errors import CompileError
from djl_trtllm.ranks import ending, launch

DONE = Outcome("llama 0123", "trtllm", False, "it was not there", "0123", "/cache/0123", 5, None, 1.5)
SLEEPS = """
import argparse, sys
from pathlib import Path
from djl_trtllm.cli import console, ranked
from djl_trtllm.ranks import launch
launch.command = lambda *_, **__: ["sh", "-c", "echo $$ >&2; exec sleep 600"]
ranked.start(argparse.Namespace(argv=[], console=console.of(True)), 2, Path(sys.argv[1]))
"""
RANK = """
import argparse, pathlib, sys
from djl_trtllm.cli import console, ranked
def work(progress, done):
    raise ValueError("a defect")
args = argparse.Namespace(console=console.of(False), outcome=pathlib.Path(sys.argv[1]))
ranked.take_part(args, 0, work)
"""


def started(
    tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch, as_json: bool = False
) -> tuple[int, list[str]]:
    """What `start` returns where mpirun is a script; its last argument is the outcome's file."""
    asked: list[str] = []

    def command(module: str, arguments: list[str], count: int, *, tagged: bool) -> list[str]:
        asked.extend([module, *arguments[:-1], str(count)])
        return ["sh", "-c", script, "sh", arguments[-1]]

    monkeypatch.setattr(launch, "command", command)
    args = argparse.Namespace(argv=["compile", "m"], console=console.of(as_json))
    return ranked.start(args, 2, tmp_path), asked


def test_the_command_is_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "said").write_text(json.dumps(_plain(DONE)))
    script = f"cp {tmp_path / 'said'} $1; echo noise"
    code, asked = started(tmp_path, script, monkeypatch, as_json=True)
    assert (code, asked) == (0, ["djl_trtllm.cli.main", "compile", "m", "--outcome", "2"])
    assert json.loads(capfd.readouterr().out) == _plain(DONE)


def _plain(outcome: Outcome) -> dict[str, object]:
    return {name: getattr(outcome, name) for name in Outcome.__slots__}


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 3", "error: The ranks ended with status 3 before they were done."),
        ("exit 0", "error: The ranks ended with status 0 before they were done."),
        ("""echo '{"error": ["No.", "And no."]}' > $1; exit 1""", "error: No.\nerror: And no."),
        ("""echo '{"error": ["No."]}' > $1""", "error: No."),
    ],
)
def test_however_they_fail_it_is_said(
    tmp_path: Path,
    script: str,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    assert started(tmp_path, script, monkeypatch)[0] == 1
    assert capfd.readouterr().err == f"{said}\n"


def test_ranks_end_when_the_command_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLEEPS, str(tmp_path)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().strip().isdecimal()
        process.kill()
        process.wait()
        assert process.stderr.read() == "", "the pipe closes when the last of them has ended"


def take_part(
    rank: int, fail: bool, outcome: Path | None, monkeypatch: pytest.MonkeyPatch
) -> Callable[[], int]:
    """A rank whose end by force can be seen."""

    def leave(code: int) -> None:
        raise SystemExit(code)

    def work(progress: object, done: Callable[[Outcome], None]) -> None:
        if fail:
            raise CompileError("It broke.")
        if rank == 0:
            done(DONE)

    monkeypatch.setattr(ranked.os, "_exit", leave)
    monkeypatch.setattr(ending, "AFTER_LEADER", 0.0)
    args = argparse.Namespace(console=console.of(as_json=False), outcome=outcome)
    return lambda: ranked.take_part(args, rank, work)


def test_rank_0_tells_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert take_part(0, False, tmp_path / "outcome", monkeypatch)() == 0
    assert json.loads((tmp_path / "outcome").read_text()) == _plain(DONE)
    assert capsys.readouterr().out == ""
    assert take_part(0, False, None, monkeypatch)() == 0
    assert capsys.readouterr().out.startswith("compiled: llama 0123\n")
    assert take_part(1, False, tmp_path / "other", monkeypatch)() == 0
    assert not (tmp_path / "other").exists()


def test_rank_0_tells_what_went_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for rank, outcome in ((0, tmp_path / "outcome"), (0, None), (1, tmp_path / "other")):
        with pytest.raises(SystemExit) as ended:
            take_part(rank, True, outcome, monkeypatch)()
        assert ended.value.code == 1
    assert json.loads((tmp_path / "outcome").read_text()) == {"error": ["It broke."]}
    assert not (tmp_path / "other").exists()
    assert capsys.readouterr().err.count("error: It broke.") == 1


def test_a_defect_of_a_rank_is_told_and_traced(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RANK, str(tmp_path / "outcome")]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "ValueError: a defect" in ran.stderr
    assert json.loads((tmp_path / "outcome").read_text()) == {"error": ["ValueError, see above."]}
