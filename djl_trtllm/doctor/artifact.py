"""A model that is compiled already: whether this machine and these options can run it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from djl_trtllm.compile import manifest
from djl_trtllm.core import CompiledModel
from djl_trtllm.doctor.finding import Finding, of_error, ok
from djl_trtllm.doctor.places import Here
from djl_trtllm.doctor.subject import Subject
from djl_trtllm.errors import LoadError
from djl_trtllm.ranks import Solo
from djl_trtllm.service.artifact import Artifact

NAME = "engine"


def examine(subject: Subject) -> Iterator[Finding]:
    """Ask the runtime, and the manifest if there is one."""
    model = subject.compiled
    if model is None:
        return
    refusals = [*_refusals(lambda: _files(subject, model)), *_refusals(lambda: _run(subject, model))]
    if subject.runtime_name != "trtllm" or subject.choice[1] is None:
        refusals += _refusals(lambda: _elsewhere(subject, model))
    yield from {finding.text: finding for finding in refusals}.values()
    if not refusals:
        yield ok(NAME, f"{model.origin} fits this machine and these options.")


def _refusals(look: Callable[[], object]) -> list[Finding]:
    try:
        look()
    except LoadError as error:
        return of_error(NAME, error)
    return []


def _files(subject: Subject, model: CompiledModel) -> None:
    if (model.path / manifest.NAME).is_file():
        (manifest.check if subject.question.quick else manifest.verify)(model.path)


def _run(subject: Subject, model: CompiledModel) -> None:
    runtime = subject.choice[1]
    if runtime is not None:
        Artifact(runtime, subject.as_found, Solo(), subject.environ, Here()).intended()
        runtime.check(model, subject.options, subject.ranks)


def _elsewhere(subject: Subject, model: CompiledModel) -> None:
    """Look at TensorRT engines as on a machine with GPUs and a release: the one asked for, else their own."""
    from djl_trtllm.engines.trtllm import engine_files, prebuilt
    from djl_trtllm.engines.trtllm.versions import Release, installed

    if model.runtime != "trtllm":
        return
    release = subject.release or installed()
    if release is None:
        release = Release.of(engine_files.read(model.path).version or "0.8.0")
    text = model.text_path if subject.options.tokenizer is None else None
    prebuilt.check(model.path, subject.options, subject.ranks, release, (), text=text)
