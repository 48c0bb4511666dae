import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def quick(figure: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--quick", figure],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_handler_figure_runs_on_both_versions_and_both_sides_say_the_same() -> None:
    printed = quick("handler")
    for version in ("0.34.0", "0.25.0"):
        assert f"handler_us_per_token/{version}/8" in printed
        assert f"djl_python_read/{version}/8" in printed
    assert "quick run" in printed


def test_the_look_up_figure_runs() -> None:
    printed = quick("lookup")
    assert "hit_lookup/20 " in printed
    assert "hit_lookup_cpu/20 " in printed
    assert "hit_lookup/1 " in printed


@pytest.mark.compile
@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_start_figure_runs() -> None:
    printed = quick("start")
    for name in ("start_share", "start_whole", "start_engine", "start_digests", "start_imports"):
        assert f"{name} " in printed


@pytest.mark.compile
@pytest.mark.long
@pytest.mark.timeout(900)
def test_the_throughput_figure_runs() -> None:
    assert "throughput_vs_raw/2" in quick("throughput")


def test_an_unknown_figure_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "speed"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
    assert "unknown figure speed: choose from lookup, start, handler, throughput" in done.stderr
