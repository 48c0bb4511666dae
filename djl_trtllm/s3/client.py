"""The seam to S3: what can be done with objects, and who does it.

boto3 (the extra `s3`) where it is installed; else the s5cmd binary, which LMI containers have. Region, endpoint,
credentials and proxies are the SDK's own environment for both.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Protocol

from djl_trtllm.s3.address import Address
from djl_trtllm.s3.errors import Missing, S3Error

S5CMD = Path("/opt/djl/bin/s5cmd")
"""Where LMI containers have it (serving/docker/scripts/install_s5cmd.sh of DJL-Serving 0.27 to 0.36)."""

MOST_OBJECTS = 20_000
"""A prefix with more objects is no model: it is not listed to its end."""

Done = Callable[[int], None]
"""Told how many bytes more have arrived, from one thread at a time."""


@dataclass(frozen=True, slots=True)
class Object:
    """One object as a listing shows it. `name` is its key after the listed prefix, `size` in bytes.

    `etag` changes whenever the content does; it is the MD5 of the content only for some objects.
    """

    name: str
    size: int
    etag: str


@dataclass(frozen=True, slots=True)
class Patience:
    """How long an answer is waited for, in seconds, and how often a request is made at all."""

    connect: float
    read: float
    attempts: int


FOR_MODELS = Patience(connect=10, read=60, attempts=5)
FOR_CACHE = Patience(connect=3, read=20, attempts=2)
"""Nothing depends on a second cache: one that does not answer costs a start some ten seconds."""


class Client(Protocol):
    """What can be done with objects. All of it raises `S3Error`, and OSError for this machine's disk."""

    def listing(self, place: Address) -> Sequence[Object]:
        """List the objects below a prefix, in the order of their names; markers of directories are left out.

        `Missing` where nothing is there at all. Names can be anything; `address.is_safe` tells which are paths.
        """
        ...

    def fetch(self, place: Address, files: Mapping[Path, Object], done: Done) -> None:
        """Fetch objects into files, several at once. A file is there whole and checked, or not at all.

        What arrived before an interruption is kept beside a file, and used when the same object is fetched again.
        `Changed` where an object is no longer the listed one.
        """
        ...

    def read(self, place: Address) -> bytes:
        """Return one small object. `Missing` where there is none."""
        ...

    def store(self, place: Address, files: Mapping[str, Path], done: Done) -> None:
        """Store files as objects below a prefix, several at once; an object of that name is replaced."""
        ...

    def remove(self, place: Address) -> None:
        """Remove one object; none there is fine."""
        ...


def listed(found: Iterable[Object], place: Address) -> Sequence[Object]:
    """Return what is found below a prefix in the order of names. `Missing` for nothing, `S3Error` for too much."""
    objects = list(islice(found, MOST_OBJECTS + 1))
    if len(objects) > MOST_OBJECTS:
        raise S3Error(
            f"There are more than {MOST_OBJECTS} objects below {place}. Give the prefix of one model."
        )
    if not objects:
        raise Missing(f"There is nothing below {place}/. Check the bucket and the prefix.")
    return sorted(objects, key=lambda item: item.name)


def connect(environ: Mapping[str, str], patience: Patience = FOR_MODELS) -> Client:
    """Return a client. `S3Error` where neither boto3 nor s5cmd is there."""
    if find_spec("boto3") is not None:
        from djl_trtllm.s3.boto import Boto

        return Boto(patience)
    binary = shutil.which("s5cmd", path=environ.get("PATH")) or (str(S5CMD) if S5CMD.is_file() else None)
    if binary is not None:
        from djl_trtllm.s3.s5cmd import S5cmd

        return S5cmd(Path(binary), environ, patience)
    raise S3Error(
        f"Nothing here can read s3:// addresses: there is neither boto3, nor s5cmd on PATH or at {S5CMD}."
        " Install one: pip install 'djl-trtllm[s3]', or s5cmd from its releases page."
    )
