"""Every target on every input that is kept: seeds, and what was found once and is mended."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from fuzz import catalog
from fuzz.catalog import OUT, ROOT, TARGETS, Target


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_nothing_that_is_kept_is_a_finding(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("logging.disable", lambda level: None)
    check = target.module().prepared()
    inputs = sorted(target.seeds.iterdir())
    assert len(inputs) >= 3
    for file in inputs:
        data = file.read_bytes()
        assert len(data) <= target.longest
        check(data)


def test_targets_and_corpora_are_the_same() -> None:
    assert {target.name for target in TARGETS} == {path.name for path in catalog.CORPUS.iterdir()}
    assert sum(file.stat().st_size for file in catalog.CORPUS.rglob("*") if file.is_file()) < 256 * 1024


@pytest.mark.long
def test_a_short_run_finds_nothing() -> None:
    seconds = 64
    ran = subprocess.run(
        [sys.executable, "-m", "fuzz", "--seconds", str(seconds)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1500,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    results = json.loads((OUT / "results.json").read_text())
    assert [result["target"] for result in results] == [target.name for target in TARGETS]
    assert all(
        result["executions"] > len(list(catalog.CORPUS.joinpath(result["target"]).iterdir()))
        for result in results
    )
