"""The package with its hot path compiled: built from these sources, and held to the same tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import compiled

ROOT = Path(__file__).parents[1]
MODULES = [
    "djl_trtllm._token_chunk",
    "djl_trtllm.formats._token_line",
    "djl_trtllm.rolling_batch._items",
    "djl_trtllm.rolling_batch.live_sequence",
    "djl_trtllm.rolling_batch.loop",
    "djl_trtllm.rolling_batch.receiver",
    "djl_trtllm.rolling_batch.slot",
]
PYTEST = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=")
"""Pytest's usual path would put the sources in front."""
TELL = "import sys, importlib; print(*(importlib.import_module(name).__file__ for name in sys.argv[1:]), sep='\\n')"


@pytest.fixture(scope="module")
def package() -> Path:
    return compiled.package()


def run(package: Path, *arguments: str) -> str:
    python, environment = compiled.python(package)
    done = subprocess.run(
        [*python, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    return done.stdout


def test_its_modules_are_machine_code(package: Path) -> None:
    files = run(package, "-c", TELL, *MODULES).split()
    assert len(files) == len(MODULES)
    assert all(file.endswith(".so") and file.startswith(str(package)) for file in files), files


def test_without_them_it_is_python() -> None:
    done = subprocess.run(
        [sys.executable, "-c", TELL, *MODULES[3:]], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert all(file.endswith(".py") for file in done.stdout.split())


def test_the_hot_path_s_tests_hold(package: Path) -> None:
    names = ("live_sequence", "items", "loop", "receiver", "slot", "wire")
    tests = ["tests/formats/test_token_line.py", *(f"tests/rolling_batch/test_{name}.py" for name in names)]
    assert " passed" in run(package, *PYTEST, *tests)


@pytest.mark.long
def test_all_tests_of_loop_and_formats_hold(package: Path) -> None:
    assert " passed" in run(package, *PYTEST, "tests/rolling_batch", "tests/formats")


def test_a_build_without_cython_says_what_to_install() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.modules['Cython'] = None; import runpy; runpy.run_path('setup.py')",
        ],
        cwd=ROOT,
        env={**os.environ, "DJL_TRTLLM_COMPILE": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "install cython" in done.stderr
