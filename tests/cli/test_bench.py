from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from djl_trtllm.cli import bench
from djl_trtllm.cli.main import main

MODULE = """
import json, pathlib, sys
print("measured", *sys.argv[1:])
if "fail" in sys.argv:
    sys.exit(3)
results = pathlib.Path("build/bench/results.json")
results.parent.mkdir(parents=True, exist_ok=True)
results.write_text(json.dumps([{"id": "handler", "value": 0.1}]))
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__main__.py").write_text(MODULE)
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    return tmp_path


def test_arguments_are_handed_on(checkout: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--only", "handler", "P9", "--quick", "--pairs", "3"]) == 0
    assert capfd.readouterr().out == "measured --only handler P9 --quick --pairs 3\n"


def test_figures_for_programs(checkout: Path) -> None:
    code = f"from djl_trtllm.cli import bench, main; bench.ROOT = __import__('pathlib').Path({str(checkout)!r}); "
    command = [sys.executable, "-c", f"{code} print(end='', flush=True); main.main(['bench', '--json'])"]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == {"figures": [{"id": "handler", "value": 0.1}], "exit_code": 0}
    assert ran.stderr == "measured\n"


@pytest.mark.parametrize("flag", ["--list", "--document"])
def test_what_measures_nothing_is_handed_on_too(
    checkout: Path, capfd: pytest.CaptureFixture[str], flag: str
) -> None:
    assert main(["bench", flag]) == 0
    assert capfd.readouterr().out == f"measured {flag}\n"


def test_its_exit_code_is_ours(checkout: Path) -> None:
    assert main(["bench", "--only", "fail"]) == 3


def test_without_the_sources_it_says_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    assert main(["bench"]) == 1
    assert "in a checkout of the sources" in capsys.readouterr().err
