"""Where artifacts are kept, how they are reused and how much room they may take: what the options say of the cache."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.options.places import cache_directory

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """Where artifacts are kept, and whether they are reused: `use`, `rebuild` (once, now) or `off`.

    `max_size` is in bytes; over it, the least recently used artifacts go. `remote` is the address of a second tier.
    """

    root: Path
    mode: str = "use"
    max_size: int | None = None
    remote: str | None = None

    @classmethod
    def of(cls, options: Options, environ: Mapping[str, str]) -> CacheSettings:
        """Settings from the options; the directory as option.cache_dir, DJL's or the user's cache directory."""
        return cls(
            root=cache_directory(options.cache_dir, environ),
            mode=options.cache,
            max_size=None if options.cache_max_size is None else options.cache_max_size.bytes,
            remote=options.cache_remote,
        )

    @property
    def fingerprints(self) -> Path:
        """The file that remembers digests."""
        return self.root / "fingerprints.json"
