"""`djl-trtllm selftest` on every family, and that it finds a wrong answer, on the runtime that this machine has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from djl_trtllm.model.families import FAMILIES
from tests.cli.selftests import all_well, selftest

pytestmark = [pytest.mark.long, pytest.mark.compile, pytest.mark.timeout(1800)]


def test_every_family(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = selftest("--quantize", "none", "--json", str(report))
    all_well(done, report, len(FAMILIES))


def test_a_wrong_answer_among_what_is_kept_is_found(tmp_path: Path) -> None:
    words = ("--families", "gpt2", "--quantize", "none", "--keep", str(tmp_path))
    done = selftest(*words, "--prepare")
    assert done.returncode == 0, done.stdout + done.stderr
    kept = tmp_path / "gpt2" / "reference.json"
    reference = json.loads(kept.read_text())
    answer = reference["answers"][3]
    answer["tokens"][5] = (answer["tokens"][5] + 1) % 768
    answer["gaps"][5] = 1.0
    kept.write_text(json.dumps(reference))
    done = selftest(*words)
    assert done.returncode == 1
    assert "greedy, alone: 1 answers differ, 137 tokens equal. prompt 3 of 12, position 5" in done.stdout
    assert "making" not in done.stdout
