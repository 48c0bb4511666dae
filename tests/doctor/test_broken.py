"""Setups that do not start: everything wrong with each is named, with the fix, and nothing that is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.doctor import examination
from djl_trtllm.doctor.djl_version import DjlVersion
from djl_trtllm.doctor.examination import Examination
from djl_trtllm.doctor.finding import Outcome
from djl_trtllm.doctor.question import Question
from djl_trtllm.engines.trtllm.versions import Release
from tests.support import broken


def look(name: str, directory: Path, patch: pytest.MonkeyPatch) -> Examination:
    facts = broken.expected(name)
    broken.machine(patch, facts.get("machine", {}))
    asked = facts.get("arguments", {})
    return examination.examine(
        Question(
            named=str(broken.make(name, directory)),
            environ={"DJL_CACHE_DIR": str(directory / "cache"), **facts.get("environment", {})},
            release=Release.of(asked["tensorrt_llm"]) if "tensorrt_llm" in asked else None,
            djl=DjlVersion.of(asked["djl"]) if "djl" in asked else None,
            root=directory,
        )
    )


def test_there_are_enough_of_them() -> None:
    assert len(broken.NAMES) >= 10
    assert sum(len(broken.expected(name)["problems"]) > 1 for name in broken.NAMES) >= 10


@pytest.mark.parametrize("name", broken.NAMES)
def test_every_mistake_is_named_with_its_fix(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = look(name, tmp_path, monkeypatch)
    wanted = broken.expected(name)
    problems = [finding for finding in found.findings if finding.outcome is Outcome.PROBLEM]
    notes = [finding for finding in found.findings if finding.outcome is Outcome.NOTE]
    told = "\n".join(f"{finding.check}: {finding}" for finding in problems)
    for check, text, fix in wanted["problems"]:
        assert any(f.check == check and text in str(f) and fix in str(f) for f in problems), (text, told)
    assert len(problems) == len(wanted["problems"]), told
    for check, text, fix in wanted["notes"]:
        assert any(f.check == check and text in str(f) and fix in str(f) for f in notes), (text, notes)
    assert all(finding.fix for finding in problems), told
    assert not found.starts
    assert not any("could not be checked" in finding.text for finding in found.findings)
    # Nothing is left behind.
    assert [path.name for path in tmp_path.iterdir()] == [name]
