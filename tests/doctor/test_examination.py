from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from djl_trtllm.doctor import examination
from djl_trtllm.doctor.examination import CHECKS
from djl_trtllm.doctor.finding import Finding, Outcome, ok
from djl_trtllm.doctor.subject import Subject
from djl_trtllm.errors import ArtifactError
from tests.support import broken, examined


@pytest.fixture(autouse=True)
def _no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    broken.machine(monkeypatch, {})


def examine(directory: Path, patch: pytest.MonkeyPatch, **checks: object) -> list[Finding]:
    patch.setattr(examination, "CHECKS", checks)
    return list(examination.examine(examined.subject(examined.write(directory)).question).findings)


def test_no_check_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(subject: Subject) -> Iterator[Finding]:
        yield ok("breaks", "One thing is well.")
        raise KeyError("surprise")

    def refuses(subject: Subject) -> Iterator[Finding]:
        raise ArtifactError("It is damaged. Copy it again.", "And so is another.")
        yield

    findings = examine(tmp_path / "model", monkeypatch, breaks=breaks, refuses=refuses)
    assert [(f.outcome, f.check, f.text, f.fix) for f in findings] == [
        (Outcome.PROBLEM, "refuses", "It is damaged.", "Copy it again."),
        (Outcome.PROBLEM, "refuses", "And so is another.", "See docs/troubleshooting.md."),
        (Outcome.NOTE, "breaks", "This could not be checked: KeyError: 'surprise'", ""),
        (Outcome.OK, "breaks", "One thing is well.", ""),
    ]


def test_what_a_check_has_found_before_it_broke_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warns(subject: Subject) -> list[Finding]:
        logging.getLogger("djl_trtllm.somewhere").warning("option %s has no effect", "x")
        return [ok("warns", "Well.")]

    assert examined.said(examine(tmp_path / "model", monkeypatch, warns=warns)) == [
        ("note", "Option x has no effect."),
        ("ok", "Well."),
    ]
    assert logging.getLogger("djl_trtllm").propagate


def test_every_check_has_something_to_say_of_a_good_model(tmp_path: Path) -> None:
    found = examination.examine(examined.subject(examined.write(tmp_path / "model"), djl="0.27.0").question)
    assert {finding.check for finding in found.findings} >= set(CHECKS) - {"engine", "formatter"}
    assert not [finding for finding in found.findings if "could not be checked" in finding.text]


@pytest.mark.parametrize(
    "broken_part", ["options", "place", "machine", "choice", "estimate", "plan", "pairs"]
)
def test_one_broken_part_does_not_hide_the_others(
    broken_part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(self: Subject) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(Subject, broken_part, property(breaks))
    found = examination.examine(examined.subject(examined.write(tmp_path / "model")).question)
    assert [finding for finding in found.findings if finding.outcome is Outcome.OK]
    assert any("RuntimeError: broken" in finding.text for finding in found.findings)
    assert found.as_json()["runtime"] in ("openvino", "")
