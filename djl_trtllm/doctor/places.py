"""Where the model is, by the search that a load makes, ended where that would fetch something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.core import Checkpoint, CompiledModel
from djl_trtllm.errors import LoadError, ModelNotFound
from djl_trtllm.model import locate as search

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options


_LOCAL = ("locating the model", "reading the files of the checkpoint")
"""The stages of a search that stay on this machine."""


class WouldFetch(Exception):
    """The search has come to something that is not on this machine."""


class Here:
    """A `Progress` that lets nothing be fetched: a load announces that as a stage."""

    def stage(self, name: str, percent: float | None = None) -> None:  # noqa: ARG002
        """End the search at anything but a look at the disk."""
        if name not in _LOCAL:
            raise WouldFetch(name)


@dataclass(frozen=True, slots=True)
class Place:
    """What was found. `elsewhere` is what would be fetched, `snapshot` where it was fetched to before.

    `unexpected` is an error that no load should meet.
    """

    model: Checkpoint | CompiledModel | None
    refusal: LoadError | None = None
    elsewhere: str = ""
    snapshot: Path | None = None
    unexpected: str = ""


def find(options: Options, environ: Mapping[str, str]) -> Place:
    """Look for the model of the options on this machine only."""
    try:
        return Place(search.locate(options, environ, Here()))
    except WouldFetch:
        return _fetched_before(options, environ)
    except LoadError as error:
        return Place(None, error)
    except OSError as error:
        return Place(None, ModelNotFound(f"The model cannot be read: {error.strerror} ({error.filename})."))
    except Exception as error:  # every check asks for the model, and one of them tells of this
        return Place(None, unexpected=f"{type(error).__name__}: {error}")


def tokenizer(options: Options, environ: Mapping[str, str]) -> tuple[Path | None, bool]:
    """Return where option.tokenizer is on this machine, and whether it would have to be fetched."""
    try:
        return search.tokenizer_directory(options, environ, Here()), False
    except WouldFetch:
        found = snapshot(options.tokenizer or "", None)
        return found, found is None


def snapshot(name: str, revision: str | None) -> Path | None:
    """Return the files of a hub id that were fetched before; None where none were, or it is no hub id."""
    import huggingface_hub
    from huggingface_hub import utils as errors  # huggingface_hub.errors has them all since 0.25

    try:
        return Path(huggingface_hub.snapshot_download(name, revision=revision, local_files_only=True))
    except (errors.LocalEntryNotFoundError, errors.HFValidationError, ValueError, OSError):
        return None


def _fetched_before(options: Options, environ: Mapping[str, str]) -> Place:
    named = options.model_id or ""
    found = None if "://" in named else snapshot(named, options.revision)
    if found is None:
        return Place(None, elsewhere=named)
    try:
        model = search.locate(replace(options, model_id=str(found)), environ, Here())
    except ModelNotFound:
        # Half of it: a load would fetch the rest.
        return Place(None, elsewhere=named, snapshot=found)
    except WouldFetch:
        return Place(None, elsewhere=named)
    except LoadError as error:
        called = type(error)(*(problem.replace(str(found), named) for problem in error.problems))
        return Place(None, called, named, found)
    return Place(replace(model, origin=named), elsewhere=named, snapshot=found)
