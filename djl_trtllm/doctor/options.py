"""The options: everything wrong with them at once, what is unknown or unused, and which runtime they choose."""

from __future__ import annotations

from collections.abc import Iterator

from djl_trtllm.doctor.finding import Finding, note, ok, problems
from djl_trtllm.doctor.subject import Subject
from djl_trtllm.engines import registry
from djl_trtllm.options import explain

NAME = "options"
RUNTIME = "runtime"


def examine(subject: Subject) -> Iterator[Finding]:
    """Say what a load would refuse, and what it would log."""
    yield from problems(NAME, subject.wrong)
    notes = explain.notes(subject.options, subject.runtime_name)
    for sentence in notes:
        yield note(NAME, sentence)
    if not subject.wrong and not notes:
        count = len(subject.options.sources)
        yield ok(
            NAME, f"{count} set, all known and in range." if count else "None is set; the defaults hold."
        )


def examine_runtime(subject: Subject) -> Iterator[Finding]:
    """Say which runtime would run the model, and what stands against it."""
    name, runtime, against = subject.choice
    yield from problems(RUNTIME, against)
    if runtime is not None:
        why = registry.reason(subject.options)
        yield ok(RUNTIME, f"The {name} runtime would be used in {_ranks(subject.ranks)}: {why}.")
    elif not against:
        yield ok(RUNTIME, f"The {name} runtime would be used on TensorRT-LLM {subject.release}.")


def _ranks(count: int) -> str:
    return "one process" if count == 1 else f"{count} MPI ranks"
