"""What the doctor calls a problem of the load is what a load refuses, in the same words."""

from __future__ import annotations

from pathlib import Path

import pytest

from djl_trtllm.core import CompiledModel
from djl_trtllm.doctor import examination
from djl_trtllm.doctor.finding import Outcome
from djl_trtllm.doctor.places import Here
from djl_trtllm.doctor.question import Question
from djl_trtllm.doctor.subject import Subject
from djl_trtllm.engines import registry
from djl_trtllm.errors import LoadError
from djl_trtllm.options import sources
from djl_trtllm.ranks import Solo
from djl_trtllm.service.artifact import Artifact
from tests.support import broken, examined

OF_A_LOAD = ("options", "runtime", "model", "engine", "build")
"""The checks of what a load meets before it compiles."""


def refusal(subject: Subject) -> tuple[str, ...]:
    """Go a load's way up to the engine; what it would end with."""
    try:
        options = sources.read(subject.properties, subject.environ)
        runtime = registry.choose(options, subject.ranks)
        found, _ = Artifact(runtime, options, Solo(), subject.environ, Here()).intended()
        if isinstance(found, CompiledModel):
            runtime.check(found, options, subject.ranks)
    except LoadError as error:
        return tuple(error.problems)
    return ()


HERE = [name for name in broken.NAMES if "tensorrt_llm" not in broken.expected(name).get("arguments", {})]


@pytest.mark.parametrize("name", [name for name in HERE if name != "offline-and-not-fetched"])
def test_a_load_refuses_what_is_a_problem(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = broken.expected(name)
    broken.machine(monkeypatch, facts.get("machine", {}))
    monkeypatch.setenv("DJL_CACHE_DIR", str(tmp_path / "cache"))
    environ = {"DJL_CACHE_DIR": str(tmp_path / "cache"), **facts.get("environment", {})}
    question = Question(str(broken.make(name, tmp_path)), environ, root=tmp_path)
    monkeypatch.chdir(question.named)  # as DJL starts Python
    refused = refusal(Subject(question))
    findings = examination.examine(question).findings
    problems = [finding for finding in findings if finding.outcome is Outcome.PROBLEM]
    named = {str(finding) for finding in problems} | {finding.text for finding in problems}
    assert set(refused) <= named
    if any(finding.check in OF_A_LOAD for finding in problems):
        assert refused


def test_a_load_takes_what_is_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken.machine(monkeypatch, {})
    monkeypatch.setenv("DJL_CACHE_DIR", str(tmp_path / "cache"))
    subject = examined.subject(examined.write(tmp_path / "model"))
    assert refusal(subject) == ()
    found = examination.examine(subject.question)
    assert found.starts
    assert not [
        finding
        for finding in found.findings
        if finding.check in ("options", "runtime", "build") and finding.fix
    ]
