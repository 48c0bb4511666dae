from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from djl_trtllm.selftest import processes


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Write a module that a child can run, and return its name."""

    def write(text: str) -> str:
        (tmp_path / "selftest_child.py").write_text(text)
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        return "selftest_child"

    return write


def run(module: str, tmp_path: Path, ranks: int = 1, seconds: float = 60) -> tuple[str, str]:
    log = tmp_path / "log"
    ended = processes.run_ranks(module, tmp_path / "job", ranks, log, seconds)
    return ended, log.read_text()


def test_a_child_that_ends_well(program, tmp_path: Path) -> None:
    ended, log = run(program("import sys; print(sys.argv[1])"), tmp_path)
    assert (ended, log) == ("", f"{tmp_path / 'job'}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise SystemExit(3)", "ended with status 3"),
        ("import os; os.kill(os.getpid(), 11)", "ended by signal 11 (SIGSEGV)"),
    ],
)
def test_how_a_child_ended_is_said(program, tmp_path: Path, text: str, said: str) -> None:
    assert run(program(text), tmp_path)[0] == said


def test_a_child_that_hangs_is_ended_with_its_own_children(program, tmp_path: Path) -> None:
    text = (
        "import subprocess, sys, time, pathlib\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "pathlib.Path(sys.argv[1]).write_text(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    ended, _ = run(program(text), tmp_path, seconds=2)
    assert ended == "not done after 2 s"
    stat = Path("/proc") / (tmp_path / "job").read_text() / "stat"
    end = time.monotonic() + 5
    while stat.exists() and stat.read_text().split()[2] != "Z" and time.monotonic() < end:
        time.sleep(0.02)
    assert not stat.exists() or stat.read_text().split()[2] == "Z"


def test_ranks_are_started_by_mpirun(program, tmp_path: Path) -> None:
    text = "import os; print('rank', os.environ['OMPI_COMM_WORLD_RANK'], os.environ['OMPI_COMM_WORLD_SIZE'])"
    ended, log = run(program(text), tmp_path, ranks=2)
    assert ended == ""
    assert "rank 0 2" in log
    assert "rank 1 2" in log


def test_options_of_this_machine_stay_out(program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPTION_DTYPE", "HF_MODEL_ID", "TENSOR_PARALLEL_DEGREE", "SERVING_RETRY_THRESHOLD"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("KEPT", "yes")
    text = "import os; print(sorted(n for n in os.environ if n.startswith(('OPTION', 'HF_M', 'TENS', 'SERV', 'KEPT'))))"
    assert run(program(text), tmp_path)[1] == "['KEPT']\n"


FAKE = """\
import json, os, sys
for family in json.load(sys.stdin)["families"]:
    print(json.dumps({"family": family, "began": True}), flush=True)
    if family == "bad":
        sys.exit("it broke")
    print(json.dumps({"family": family, "problem": "no" if family == "odd" else ""}), flush=True)
"""


def test_a_family_that_cannot_be_made_costs_only_itself(program, tmp_path: Path, monkeypatch) -> None:
    name = program(FAKE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(processes, "models", SimpleNamespace(__name__=name))
    made = dict(processes.make_models(tmp_path, ["a", "bad", "odd", "b"], tmp_path / "log", 60))
    assert made == {"a": "", "bad": "the process that makes it ended: it broke", "odd": "no", "b": ""}
    assert list(made) == ["a", "bad", "odd", "b"]


def test_the_end_of_a_log(tmp_path: Path) -> None:
    assert processes.tail(tmp_path / "none", 3) == ""
    (tmp_path / "log").write_text("one\n\n two \nthree\n")
    assert processes.tail(tmp_path / "log", 2) == "two | three"
