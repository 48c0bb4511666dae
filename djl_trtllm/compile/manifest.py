"""manifest.json: what an artifact was made from, and every file of it with size and digest.

It is written last. A directory whose manifest is missing, damaged or does not match its files does not exist
for us. `check` is what a start can afford: sizes of all files, digests of the small ones. `verify` reads all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import msgspec
from blake3 import blake3

from djl_trtllm.compile import disk
from djl_trtllm.compile.fingerprint import digest
from djl_trtllm.errors import ArtifactError
from djl_trtllm.s3.address import is_safe

NAME = "manifest.json"
FORMAT = 2
_SMALL = 1 << 20
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_MARK, _END = b',\n "seal": "', b'"\n}\n'


class OtherFormat(ArtifactError):
    """The manifest is of another version of this package, which may still use the artifact."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of an artifact: bytes, and 64 hex digits of BLAKE3."""

    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The content of manifest.json; nothing in it depends on the machine.

    `plan` is `plan.content`, `options` the option values behind it with their sources. `build` says when it was
    `started` (seconds since 1970), how many `seconds` it took and how many each of its `stages`, in their order.
    `quality` is how a quantised model compares with its source. `fetched` says `from` where and when it was copied.
    """

    key: str
    plan: Mapping[str, object]
    files: Mapping[str, File]
    build: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    quality: Mapping[str, object] | None = None
    fetched: Mapping[str, object] | None = None
    format: int = FORMAT

    def total_bytes(self) -> int:
        """Return the size of all files together."""
        return sum(file.size for file in self.files.values())


class _Versioned(msgspec.Struct):
    format: int


def survey(directory: Path) -> dict[str, File]:
    """List every file below a directory, the manifest excepted, with size and digest."""
    files = sorted(path for path in directory.rglob("*") if path.is_file() and path.name != NAME)
    return {path.relative_to(directory).as_posix(): File(path.stat().st_size, digest(path)) for path in files}


def write(directory: Path, manifest: Manifest) -> None:
    """Write manifest.json, sealed with a digest of itself, and flush it to disk."""
    body = json.dumps(asdict(manifest), indent=1).encode()
    disk.write(directory / NAME, body[:-2] + _MARK + _seal(body[:-2]) + _END)


def read(directory: Path) -> Manifest:
    """Read a manifest; `ArtifactError` when there is none or it is not as it was written."""
    try:
        text = (directory / NAME).read_bytes()
    except OSError as error:
        raise ArtifactError(f"{directory.name} has no readable {NAME} ({error.strerror}).") from error
    sealed, _, seal = text.rpartition(_MARK)
    _refuse_other_format(directory, text)
    if seal != _seal(sealed) + _END:
        raise ArtifactError(f"The {NAME} of {directory.name} is damaged.")
    try:
        found = msgspec.json.decode(text, type=Manifest)
    except _UNREADABLE as error:
        raise ArtifactError(f"The {NAME} of {directory.name} is damaged.") from error
    if not all(is_safe(name) and name != NAME for name in found.files):
        raise ArtifactError(f"The {NAME} of {directory.name} names a file that leads elsewhere.")
    return found


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
    if not (directory / name).resolve().is_relative_to(directory.resolve()):
        raise ArtifactError(f"{name} of {directory.name} is a link that leads out of it.")
    try:
        size = (directory / name).stat().st_size
    except OSError as error:
        raise ArtifactError(f"{name} of {directory.name} is missing ({error.strerror}).") from error
    if size != file.size:
        raise ArtifactError(f"{name} of {directory.name} has {size} bytes and should have {file.size}.")


def _refuse_other_format(directory: Path, text: bytes) -> None:
    try:
        found = msgspec.json.decode(text, type=_Versioned).format
    except _UNREADABLE:
        return
    if found != FORMAT:
        raise OtherFormat(
            f"{directory.name} was written by another version of this package: its {NAME} has format {found},"
            f" and this version reads format {FORMAT}."
        )


def _seal(text: bytes) -> bytes:
    return str(blake3(text).hexdigest(16)).encode()
