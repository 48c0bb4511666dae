"""Every part runs in its small form, and says what it was to say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench import parts

ROOT = Path(__file__).parents[2]

MODELS = ("throughput", "served", "start", "cancel")
"""These compile and run the demo model."""


def bench(*arguments: str, timeout: float = 600) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def quick(*names: str) -> str:
    done = bench("--quick", "--only", *names)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "quick run: nothing recorded, nothing judged" in done.stdout
    assert "pass\n" not in done.stdout
    for name in names:
        assert f"\n{name}/" in done.stdout
    return done.stdout


def test_the_handler_figure_runs_on_both_versions_and_both_sides_say_the_same() -> None:
    printed = quick("handler")
    for version in ("0.34.0", "0.25.0"):
        assert f"handler/ratio/{version}/jsonlines/8 " in printed
        assert f"handler/ratio/{version}/details/8 " in printed
        assert f"handler/djl_python_read/{version}/8 " in printed


def test_small_parts_run() -> None:
    printed = quick("overlap", "validation", "lookup")
    assert "overlap/ratio/5ms/8 " in printed
    assert "validation/ratio/plain/4096 " in printed
    for name in ("hit/20", "hit/20/plain", "cpu/20", "hit/1"):
        assert f"lookup/{name} " in printed


@pytest.mark.long
def test_requests_are_refused_and_kept_waiting() -> None:
    printed = quick("refusal", "queued_memory")
    assert "refusal/beyond_parsing/2000000/plain " in printed
    assert "queued_memory/beyond_prompt/40 " in printed


@pytest.mark.long
def test_the_parts_with_steps_of_a_fixed_time_run() -> None:
    printed = quick("first_token", "admission")
    for name in ("first_token/added_p50/1", "first_token/added_p50/1/plain", "admission/widest/4000"):
        assert f"{name} " in printed


@pytest.mark.long
def test_instructions_are_counted() -> None:
    assert "counts/" in quick("counts")


@pytest.mark.long
def test_ways_of_detokenising_say_the_same_and_are_compared() -> None:
    printed = quick("detokenise")
    for kind in ("byte-level", "byte-fallback", "wordpiece"):
        assert f"detokenise/vs_stream/{kind}/256 " in printed
        assert f"detokenise/vs_window/{kind}/256 " in printed


@pytest.mark.long
def test_imports_are_measured_in_calibration_loops() -> None:
    printed = quick("imports")
    assert "imports/handler " in printed
    assert "imports/handler/plain " in printed


@pytest.mark.compile
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", MODELS)
def test_the_parts_with_the_demo_model_run(name: str) -> None:
    quick(name)


def test_every_part_is_run_by_a_test_here() -> None:
    here = Path(__file__).read_text()
    assert [part.name for part in parts.PARTS if f'"{part.name}"' not in here] == []
