"""What a second tier of the cache is: somewhere that artifacts are fetched from and stored to, whole or not at all.

It is not trusted to be right: what was fetched is compared with its manifest, every digest, before it is published
in the cache directory. Whatever goes wrong with it costs a warning and a compilation, never a start.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from djl_trtllm.core import Progress


class Tier(Protocol):
    """A second place of artifacts, by key. `name` is what to call it in logs and manifests, without credentials.

    Any exception of its methods is a failure of the tier. Both are called on rank 0, with the lock of the key held.
    """

    name: str

    def fetch(self, key: str, into: Path, progress: Progress) -> bool:
        """Fill the empty directory `into` with the whole artifact, manifest.json included; False if there is none."""
        ...

    def store(self, key: str, artifact: Path, progress: Progress) -> None:
        """Keep a published artifact: manifest.json last, so that nobody finds half of it. One that is there stays."""
        ...
