"""The model: found or to be fetched, whole, allowed, and of an architecture that the runtime takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import util
from pathlib import Path

from djl_trtllm.core import Checkpoint
from djl_trtllm.doctor.finding import Finding, note, of_error, ok, problem
from djl_trtllm.doctor.subject import Subject
from djl_trtllm.errors import LoadError
from djl_trtllm.model import checkpoint as files
from djl_trtllm.model.families import FAMILIES
from djl_trtllm.options.nearest import shown
from djl_trtllm.options.places import size
from djl_trtllm.s3 import client
from djl_trtllm.s3.errors import S3Error

NAME = "model"


def examine(subject: Subject) -> Iterator[Finding]:
    """Say where it is, and everything that stands against it."""
    place, directory = subject.place, subject.directory
    inside = directory is not None and (directory / files.CONFIG).is_file()
    if inside and subject.options.source_of("model_id") == "HF_MODEL_ID":
        yield note(
            NAME,
            f"HF_MODEL_ID={shown(subject.options.model_id)} names another model than the one that is in {directory}.",
            "Unset the variable, or set option.model_id.",
        )
    yield from _elsewhere(subject)
    if place.unexpected:
        yield note(NAME, f"This could not be checked: {place.unexpected}")
    if subject.compiled is not None:
        yield ok(NAME, f"{subject.compiled.origin} is taken as it is: {subject.compiled.why}.")
    elif subject.checkpoint is not None:
        found = subject.checkpoint
        yield ok(
            NAME,
            f"{found.origin} is a checkpoint of type {found.model_type}, {size(files.weights_bytes(found))} of weights,"
            " all there.",
        )
    elif place.refusal is not None:
        seen = {finding.text: finding for finding in (*of_error(NAME, place.refusal), *_all_of(subject))}
        yield from seen.values()


def _elsewhere(subject: Subject) -> Iterator[Finding]:
    place, options = subject.place, subject.options
    if not place.elsewhere:
        return
    named = shown(place.elsewhere, 120)
    if "://" in named:
        yield note(NAME, f"{named} is fetched when the model loads; nothing of it was looked at here.")
        # boto3's client would ask the machine's metadata service for credentials.
        if util.find_spec("boto3") is None:
            try:
                client.connect(subject.environ)
            except S3Error as error:
                yield problem(NAME, str(error))
    elif place.snapshot is not None and (place.model is not None or place.refusal is not None):
        yield ok(NAME, f"{named} was fetched from the hub before, to {place.snapshot}.")
    elif place.snapshot is not None:
        yield note(
            NAME, f"{named} was fetched from the hub in part, to {place.snapshot}; a load fetches the rest."
        )
    elif _offline(subject):
        yield problem(
            NAME,
            f"{named} is not a directory here and was not fetched before, and HF_HUB_OFFLINE is set.",
            "Give a local directory as option.model_id, or unset HF_HUB_OFFLINE.",
        )
    else:
        revision = f" at revision {options.revision}" if options.revision else ""
        yield note(
            NAME,
            f"{named} is taken for a hub id{revision}; it is not on this machine, so a load fetches it and nothing of"
            " it was looked at here.",
        )


def _offline(subject: Subject) -> bool:
    return subject.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")


def _all_of(subject: Subject) -> Iterator[Finding]:
    """A load ends at the first thing that it finds wrong with a checkpoint; here are the others."""
    directory = subject.local
    if directory is None or not (directory / files.CONFIG).is_file():
        return
    try:
        found = files.read(directory, _origin(subject, directory))
    except LoadError as error:
        yield from of_error(NAME, error)
        return
    options = subject.options
    yield from _refusals(lambda: files.check_code(found, FAMILIES, trusted=options.trust_remote_code))
    yield from _refusals(lambda: files.check_weights(found, allow_pickle=options.allow_pickle_weights))
    yield from of_architecture(subject, found)


def _origin(subject: Subject, directory: Path) -> str:
    if subject.place.elsewhere:
        return subject.place.elsewhere
    return str(directory) if subject.options.model_id else f"the model directory {directory.name}"


def of_architecture(subject: Subject, found: Checkpoint) -> Iterator[Finding]:
    """Say whether the runtime takes the architecture at all."""
    name = subject.runtime_name
    if name == "openvino":
        from djl_trtllm.model.families import family

        yield from _refusals(lambda: family(found))
    elif name == "trtllm":
        from djl_trtllm.engines.trtllm.families import family as trtllm_family

        yield from _refusals(lambda: trtllm_family(found))


def _refusals(look: Callable[[], object]) -> Iterator[Finding]:
    try:
        look()
    except LoadError as error:
        yield from of_error(NAME, error)
