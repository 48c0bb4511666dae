"""What a load would compile: whether the runtime takes it, the cache has it, and time and disk suffice."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.compile import disk, reasons
from djl_trtllm.compile.plan import content, key
from djl_trtllm.compile.store import Store
from djl_trtllm.core import Plan
from djl_trtllm.doctor import model
from djl_trtllm.doctor.finding import Finding, note, of_error, ok, problem, problems
from djl_trtllm.doctor.subject import Subject
from djl_trtllm.engines.resources import host_memory
from djl_trtllm.options.places import free_bytes, size
from djl_trtllm.service.budget import Budget, duration

if TYPE_CHECKING:
    from djl_trtllm.engines.trtllm.versions import Release

PLAN = "build"
CACHE = "cache"
TIME = "time"


def examine_plan(subject: Subject) -> Iterator[Finding]:
    """Ask the runtime. Raises `LoadError` with its refusal."""
    if subject.release is not None:
        yield from _on_release(subject, subject.release)
        return
    found = subject.checkpoint
    if found is None:
        return
    if subject.choice[1] is None:
        if subject.machine.release is not None:
            yield from _on_release(subject, subject.machine.release)
        else:
            yield from model.of_architecture(subject, found)
    elif subject.question.quick:
        yield from model.of_architecture(subject, found)
        yield note(PLAN, "The weights were not read, so nothing is said of the build.", "Leave out --quick.")
    elif subject.tokenizer[1]:
        yield note(PLAN, "Nothing is said of the build before option.tokenizer is on this machine.")
    elif subject.plan is None:
        yield ok(PLAN, f"The {subject.runtime_name} runtime serves {found.origin} as it is.")
    else:
        yield ok(PLAN, f"The {subject.runtime_name} runtime compiles {found.origin}.")


def _on_release(subject: Subject, release: Release) -> Iterator[Finding]:
    from djl_trtllm.engines.trtllm import option_map

    if subject.runtime_name == "openvino":
        return
    resolved = option_map.resolve(
        subject.options, release, subject.checkpoint, subject.ranks, runtime=subject.runtime_name
    )
    yield from problems(PLAN, resolved.problems)
    # Without a model nothing is known of a build, which is not the same as an engine that is built already.
    for sentence in resolved.notes if subject.place.model is not None else ():
        yield note(PLAN, sentence)


def examine_cache(subject: Subject) -> Iterator[Finding]:
    """Look the model up, and at the directory that it would be compiled into. Raises `CompileError`."""
    settings, store = subject.settings, Store(subject.settings.root)
    if subject.compiled is not None:
        yield ok(CACHE, "It is not needed: the model is compiled.")
        return
    if settings.mode == "off":
        yield note(CACHE, "cache=off compiles the model at every start.", "Set option.cache=use.")
        return
    found, plan = subject.hit, subject.planned
    if found is not None:
        yield ok(CACHE, f"A start is a hit: {reasons.why_hit(found)}, in {settings.root}.")
    elif plan is not None:
        unless = f", unless {settings.remote} has it, where nothing was looked at" if settings.remote else ""
        yield note(CACHE, f"A start compiles the model{unless}: {_why_miss(subject, store, plan)}.")
    if found is None:
        yield from _directory(subject, settings.root)
    store.trusted(key(plan) if plan is not None else "")


def _why_miss(subject: Subject, store: Store, plan: Plan) -> str:
    if subject.settings.mode != "use":
        return f"option.cache={subject.settings.mode}"
    if broken := store.problem(key(plan)):
        return f"what was compiled from the same inputs cannot be used: {broken.rstrip('.')}"
    named = subject.options.model_id or ""
    return reasons.why_miss(reasons.nearest(content(plan), named, store.manifests()))


def _directory(subject: Subject, root: Path) -> Iterator[Finding]:
    """Say whether something can be compiled into the cache; a load may go on in a temporary directory."""
    there = next(path for path in (root, *root.parents) if path.exists())
    if not there.is_dir():
        error = disk.problem(NotADirectoryError(errno.ENOTDIR, f"{there} is a file"), root)
        yield from of_error(CACHE, error)
    elif not os.access(there, os.W_OK | os.X_OK):
        error = disk.problem(PermissionError(errno.EACCES, os.strerror(errno.EACCES)), root)
        yield note(CACHE, f"{error} Until then a start compiles into a temporary directory, every time.")
    else:
        yield from _room(subject, root)


def _room(subject: Subject, root: Path) -> Iterator[Finding]:
    estimate, checkpoint = subject.estimate, subject.checkpoint
    if estimate is None or estimate.compiling is None or checkpoint is None:
        yield ok(CACHE, f"{root} has {size(free_bytes(root))} free.")
        return
    need, temporary = estimate.compiling.disk_bytes, Path(tempfile.gettempdir())
    try:
        disk.check_room(need, root, checkpoint.origin)
        yield ok(CACHE, f"{root} has {size(free_bytes(root))} free, and compiling needs about {size(need)}.")
    except disk.NoRoom as refusal:
        if disk.other_disk(temporary, root) and free_bytes(temporary) >= need:
            yield note(CACHE, f"{refusal} Until then a start compiles into {temporary}, every time.")
        else:
            yield from of_error(CACHE, refusal)


def examine_time(subject: Subject) -> Iterator[Finding]:
    """Compare what compiling takes with the time that DJL gives and with the memory of the host, as a load does."""
    estimate, checkpoint = subject.estimate, subject.checkpoint
    if estimate is None:
        return
    options = subject.options
    budget = Budget(options, subject.ranks, time.monotonic())
    if subject.ranks > 1 and options.rank_timeout >= options.model_loading_timeout:
        yield note(
            TIME,
            f"rank_timeout={options.rank_timeout} is not below model_loading_timeout={options.model_loading_timeout}:"
            " DJL ends a load that hangs before the ranks can say which of them it was.",
            f"Set option.rank_timeout={max(options.model_loading_timeout - 30, 1)}, or leave it out.",
        )
    source = options.source_of(budget.name)
    limit = f"{budget.name}={budget.seconds:g} (from {source})"
    if estimate.compiling is None or checkpoint is None or subject.hit is not None:
        span = f"{duration(estimate.loading.low)} to {duration(estimate.loading.high)}"
        if estimate.loading.low > budget.seconds:
            yield problem(
                TIME,
                f"Loading takes {span} ({estimate.loading.why}); {limit} ends it.",
                f"Raise option.{budget.name}.",
            )
        else:
            yield ok(TIME, f"Loading takes about {span}, and {limit} is the limit.")
        return
    expected, warnings = budget.lines(checkpoint.origin, estimate)
    text = f"{_sentence(expected or '')}; {limit} is the limit."
    if not warnings and estimate.compiling.seconds.high + estimate.loading.high > budget.seconds:
        yield note(TIME, text, f"It may not be enough. {budget.advice}")
    else:
        yield ok(TIME, text)
    for warning in warnings:
        grave = budget.name in warning or estimate.compiling.host_bytes > host_memory().total
        yield problem(TIME, warning) if grave else note(TIME, warning)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
