"""All checks of one subject, the gravest finding first. None of them raises: what fails is a finding of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from djl_trtllm.core import Limit
from djl_trtllm.doctor import (
    artifact,
    compiling,
    djl_modes,
    entry_point,
    environment,
    formatter,
    gpus,
    memory,
    model,
    options,
    properties_file,
    timeouts,
    tokenizer,
    versions,
)
from djl_trtllm.doctor.finding import Finding, Outcome, note, of_error
from djl_trtllm.doctor.question import Question
from djl_trtllm.doctor.subject import Subject
from djl_trtllm.errors import LoadError
from djl_trtllm.options import explain
from djl_trtllm.options.secrets import shown

T = TypeVar("T")
Check = Callable[[Subject], Iterable[Finding]]

CHECKS: Mapping[str, Check] = {
    properties_file.NAME: properties_file.examine,
    options.NAME: options.examine,
    entry_point.NAME: entry_point.examine,
    formatter.NAME: formatter.examine,
    options.RUNTIME: options.examine_runtime,
    gpus.NAME: gpus.examine,
    versions.NAME: versions.examine,
    model.NAME: model.examine,
    tokenizer.NAME: tokenizer.examine,
    artifact.NAME: artifact.examine,
    compiling.PLAN: compiling.examine_plan,
    compiling.CACHE: compiling.examine_cache,
    memory.NAME: memory.examine,
    memory.LIMITS: memory.examine_limits,
    compiling.TIME: compiling.examine_time,
    djl_modes.NAME: djl_modes.examine,
    timeouts.NAME: timeouts.examine,
    environment.NAME: environment.examine,
}
"""Every check by its name, in the order in which a start would meet what they look at."""

_OTHERWISE = {
    options.NAME: "Correct it, or leave it out.",
    model.NAME: "Copy or download the model again, or name another one as option.model_id.",
    tokenizer.NAME: "Copy the tokenizer's files again, or name another directory as option.tokenizer.",
    artifact.NAME: "Copy the directory again, whole, or compile the model again.",
    compiling.CACHE: "Set option.cache_dir to another directory.",
}
"""What to do about a problem whose text does not say it."""

_ORDER = list(Outcome)


@dataclass(frozen=True, slots=True)
class Examination:
    """What came out. `options` has value and source of each option by name, `limits` what is known before a load."""

    named: str
    runtime: str
    ranks: int
    findings: Sequence[Finding]
    options: Mapping[str, tuple[str, str]]
    limits: Mapping[str, Limit]
    arguments: Mapping[str, object]

    @property
    def starts(self) -> bool:
        """Whether nothing was found that would stop a start."""
        return self.count(Outcome.PROBLEM) == 0

    def count(self, outcome: Outcome) -> int:
        """Return how many findings are of one gravity."""
        return sum(finding.outcome is outcome for finding in self.findings)

    def as_json(self) -> dict[str, object]:
        """Return everything as JSON values."""
        return {
            "model": self.named,
            "starts": self.starts,
            "runtime": self.runtime,
            "ranks": self.ranks,
            "findings": [finding.as_json() for finding in self.findings],
            "options": {
                name: {"value": value, "source": source} for name, (value, source) in self.options.items()
            },
            "limits": {
                name: {"value": limit.value, "source": limit.source} for name, limit in self.limits.items()
            },
            "arguments": dict(self.arguments),
        }


def examine(question: Question) -> Examination:
    """Make every check. Raises `ModelNotFound` only where there is nothing to look at."""
    subject = Subject(question)
    findings: dict[tuple[str, str], Finding] = {}
    for name, check in CHECKS.items():
        for finding in _made(name, check, subject):
            # One refusal can come to light in two checks; the first is nearer to its cause.
            findings.setdefault((finding.outcome.value, str(finding)), finding)
    ordered = sorted(map(_with_fix, findings.values()), key=lambda finding: _ORDER.index(finding.outcome))
    return Examination(
        named=question.named,
        runtime=_or("", lambda: subject.runtime_name),
        ranks=_or(1, lambda: subject.ranks),
        findings=ordered,
        options=_or({}, lambda: _options(subject)),
        limits=_or({}, lambda: memory.limits(subject)),
        arguments=_or({}, lambda: _arguments(subject)),
    )


def _made(name: str, check: Check, subject: Subject) -> list[Finding]:
    """Make one check; warnings that the code of a load logs on the way are notes of it."""
    found: list[Finding] = []
    with _Warnings() as warnings:
        try:
            found += check(subject)
        except LoadError as error:
            found += of_error(name, error)
        except Exception as error:
            found.append(note(name, f"This could not be checked: {type(error).__name__}: {error}"))
    return found + [note(name, text) for text in warnings.texts]


def _with_fix(finding: Finding) -> Finding:
    if finding.outcome is not Outcome.PROBLEM or finding.fix:
        return finding
    return replace(finding, fix=_OTHERWISE.get(finding.check, "See docs/troubleshooting.md."))


class _Warnings(logging.Handler):
    """Keeps the package's warnings, and what it says besides from showing, while it is entered."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.texts: list[str] = []
        self._logger = logging.getLogger("djl_trtllm")

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one record."""
        text = record.getMessage()
        self.texts.append(text[:1].upper() + text[1:] + ("" if text.endswith(".") else "."))

    def __enter__(self) -> _Warnings:
        self._propagated, self._logger.propagate = self._logger.propagate, False
        self._logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)
        self._logger.propagate = self._propagated


def _or(instead: T, look: Callable[[], T]) -> T:
    """Return what is found, or something else where a check has said why not."""
    try:
        return look()
    except Exception:
        return instead


def _options(subject: Subject) -> Mapping[str, tuple[str, str]]:
    return {name: (shown(name, value), source) for name, value, source in explain.effective(subject.options)}


def _arguments(subject: Subject) -> Mapping[str, object]:
    """What TensorRT-LLM's classes would be given, where its release is known."""
    from djl_trtllm.engines.trtllm import option_map

    release = subject.release or subject.machine.release
    if release is None or subject.runtime_name == "openvino":
        return {}
    resolved = option_map.resolve(
        subject.options, release, subject.checkpoint, subject.ranks, runtime=subject.runtime_name
    )
    return {
        f"{place}.{name}": value
        for place, values in resolved.arguments.items()
        for name, value in values.items()
    }
