"""manifest.json: what an artifact was made from, and every file of it with size and digest.

It is written last. A directory whose manifest is missing, damaged or does not match its files does not exist
for us. `check` is what a start can afford: sizes of all files, digests of the small ones. `verify` reads all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from blake3 import blake3

from djl_trtllm.compile.fingerprint import digest
from djl_trtllm.compile.plan import canonical
from djl_trtllm.errors import ArtifactError

NAME = "manifest.json"
FORMAT = 1
_SMALL = 1 << 20


@dataclass(frozen=True, slots=True)
class File:
    """One file of an artifact: bytes, and 64 hex digits of BLAKE3."""

    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of manifest.json. `plan` is `plan.content`; `build` says when, how long, from what."""

    key: str
    plan: Mapping[str, object]
    files: Mapping[str, File]
    build: Mapping[str, object] = field(default_factory=dict)

    def total_bytes(self) -> int:
        """Return the size of all files together."""
        return sum(file.size for file in self.files.values())


def survey(directory: Path) -> dict[str, File]:
    """List every file below a directory, the manifest excepted, with size and digest."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != NAME)
    return {path.relative_to(directory).as_posix(): File(path.stat().st_size, digest(path)) for path in files}


def write(directory: Path, manifest: Manifest) -> None:
    """Write manifest.json, sealed with a digest of itself, and flush it to disk."""
    body = {"format": FORMAT, **asdict(manifest)}
    text = json.dumps({**body, "seal": _seal(body)}, indent=1, sort_keys=True)
    with (directory / NAME).open("w") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())


def read(directory: Path) -> Manifest:
    """Read a manifest; `ArtifactError` when there is none or it is not as it was written."""
    try:
        body = json.loads((directory / NAME).read_bytes())
    except OSError as error:
        raise ArtifactError(f"{directory.name} has no readable {NAME} ({error.strerror}).") from error
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"The {NAME} of {directory.name} is damaged.") from error
    if not isinstance(body, dict) or body.pop("seal", None) != _seal(body):
        raise ArtifactError(f"The {NAME} of {directory.name} is damaged.")
    if body["format"] != FORMAT:
        raise ArtifactError(f"{directory.name} was written by another version (format {body['format']}).")
    files = {name: File(**file) for name, file in body["files"].items()}
    return Manifest(key=body["key"], plan=body["plan"], files=files, build=body["build"])


def check(directory: Path) -> Manifest:
    """Read the manifest and compare every size and the digests of files under 1 MiB; `ArtifactError`."""
    manifest = read(directory)
    for name, file in manifest.files.items():
        _check_size(directory, name, file)
        if file.size < _SMALL and digest(directory / name) != file.digest:
            raise ArtifactError(f"{name} of {directory.name} is damaged.")
    return manifest


def verify(directory: Path) -> None:
    """Compare every file with the manifest, byte for byte by digest; `ArtifactError` naming the first bad one.

    Takes about half a second per gigabyte in the page cache and releases the GIL, so that it can run in a
    thread while the engine loads.
    """
    manifest = read(directory)
    for name, file in manifest.files.items():
        _check_size(directory, name, file)
        try:
            found = digest(directory / name)
        except OSError as error:
            raise ArtifactError(f"{name} of {directory.name} cannot be read ({error.strerror}).") from error
        if found != file.digest:
            raise ArtifactError(f"{name} of {directory.name} is damaged: its content is not what was built.")


def _check_size(directory: Path, name: str, file: File) -> None:
    try:
        size = (directory / name).stat().st_size
    except OSError as error:
        raise ArtifactError(f"{name} of {directory.name} is missing ({error.strerror}).") from error
    if size != file.size:
        raise ArtifactError(f"{name} of {directory.name} has {size} bytes and should have {file.size}.")


def _seal(body: object) -> str:
    return str(blake3(canonical(body)).hexdigest(16))
