"""What DJL-Serving's conversion step was asked for, kept beside what it made.

DJL names the result by model and tensor parallel degree alone and takes whatever directory of that name exists
(LmiUtils.buildTrtLlmArtifacts, 0.27 to 0.36). With this record a load sees that its options are others, and compiles
the model again instead of serving old engines. A directory may also hold nothing but the record, where a runtime
without such repositories serves the model: it is loaded from where the record says.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from djl_trtllm.errors import ArtifactError, UnsupportedModel

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

NAME = "djl_trtllm.json"
FORMAT = 1
ENGINES = "trtllm"
"""The runtime whose engines lie beside the record."""

_DJLS = re.compile(r"[0-9a-f]{40}")
"""DJL's name: 20 bytes of SHA-256 (ai.djl.util.Utils.hash), below a directory `trtllm`."""

_NOT_COMPARED = ("tensor_parallel_degree",)
"""It is in DJL's name, and under MPI DJL writes the number of ranks over it."""

_AT_MOST = ("max_rolling_batch_size",)
"""Options of which an engine takes any value up to the one it was built with."""

_logger = logging.getLogger(__name__)


Stamp = tuple[int, int]
"""A file's size in bytes and its modification time in nanoseconds."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a partitioned model comes from: a directory or a hub id, and the hub's revision."""

    model_id: str
    revision: str | None = None

    @property
    def directory(self) -> Path | None:
        """The directory, if it is one."""
        path = Path(self.model_id)
        return path if path.is_absolute() else None

    def stamps(self) -> dict[str, Stamp]:
        """Return size and time of every file of the directory; nothing for a hub id."""
        if self.directory is None or not self.directory.is_dir():
            return {}
        found = {file.name: file.stat() for file in sorted(self.directory.iterdir()) if file.is_file()}
        return {name: (status.st_size, status.st_mtime_ns) for name, status in found.items()}


@dataclass(frozen=True, slots=True)
class Record:
    """The content of djl_trtllm.json. `home` is the directory's path where DJL will look for it by name, else None.

    `files` are those of the source, where it is a directory.
    """

    source: Source
    runtime: str
    options: Mapping[str, object] = field(default_factory=dict)
    files: Mapping[str, Stamp] = field(default_factory=dict)
    home: str | None = None

    @classmethod
    def of(cls, source: Source, runtime: str, options: Options, repository: Path) -> Record:
        """Make the record of a repository that will lie at `repository`."""
        djls = repository.parent.name == "trtllm" and _DJLS.fullmatch(repository.name)
        values = options.build_values(ENGINES)
        home = str(repository.resolve()) if djls else None
        return cls(source, runtime, _json(values), source.stamps(), home)

    def write(self, directory: Path) -> None:
        """Write the record into a directory."""
        body = {"format": FORMAT, **asdict(self)}
        (directory / NAME).write_text(json.dumps(body, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def changes(self, options: Options) -> list[str]:
        """Say what differs from what the engines were built with and from."""
        if options.runtime not in ("auto", self.runtime):
            return [f"runtime is {options.runtime} and was {self.runtime}"]
        now = {**_json(options.build_values(ENGINES)), "revision": options.revision}
        before = {**self.options, "revision": self.source.revision}
        changed = [
            f"{name} is {_shown(now.get(name))} and was {_shown(before.get(name))}"
            for name in sorted({*now, *before} - {*_NOT_COMPARED})
            if now.get(name) != before.get(name) and not _within(name, now.get(name), before.get(name))
        ]
        stamps = self.source.stamps()
        if stamps and stamps != self.files:
            changed.append(f"the files of {self.source.model_id} are others")
        return changed


def read(path: Path) -> Record | None:
    """Return the record in a directory, or in one of those in it; None without. `ArtifactError` for a damaged one."""
    file = next((file for file in (path / NAME, *sorted(path.glob(f"*/{NAME}"))) if file.is_file()), None)
    if file is None:
        return None
    try:
        body = json.loads(file.read_bytes())
        if body["format"] != FORMAT:
            raise ArtifactError(f"{file} was written by another version (format {body['format']}).")
        return msgspec.convert(body, type=Record)
    except (OSError, ValueError, KeyError, TypeError, RecursionError, msgspec.ValidationError) as error:
        raise ArtifactError(
            f"{file} is damaged ({type(error).__name__}). Remove {path}, so that the model is partitioned again."
        ) from error


def source(path: Path, options: Options) -> Source | None:
    """Return the model to load in the place of what lies in `path`; None where `path` itself is the one.

    Raises `UnsupportedModel` where that model is needed and not here any more.
    """
    record = read(path)
    if record is None:
        return None
    by_name = record.home == str(path.resolve())
    if record.runtime == ENGINES:
        changes = record.changes(options) if by_name else []
        if not changes:
            return None
        why = f"its engines were made from something else: {'; '.join(changes)}"
    else:
        why = f"the runtime {record.runtime} serves the model itself"
    directory = record.source.directory
    if directory is not None and not directory.is_dir():
        raise UnsupportedModel(
            f"{path} cannot be served, because {why}; and the model that it was made from, {directory}, is not there."
            f" Put it back, or remove {path} and give another model."
        )
    _logger.warning("%s is not served, because %s; taking %s", path, why, record.source.model_id)
    # What DJL finds by name may be older than what it is asked for now.
    return replace(record.source, revision=options.revision) if by_name else record.source


def _json(values: Mapping[str, object]) -> dict[str, object]:
    """Return values as they are read back."""
    content: dict[str, object] = json.loads(json.dumps(values))
    return content


def _within(name: str, now: object, built: object) -> bool:
    return name in _AT_MOST and isinstance(now, int) and isinstance(built, int) and now <= built


def _shown(value: object) -> str:
    return "not set" if value is None else str(value)
