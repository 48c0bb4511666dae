"""What a build depends on besides options: the checkpoint's files, another tokenizer's, and our own code."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from djl_trtllm import installed
from djl_trtllm.compile.fingerprint import Memory, digests
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.core import Checkpoint
from djl_trtllm.engines.building.calibration import calibration_file
from djl_trtllm.model.checkpoint import build_files
from djl_trtllm.model.locate import tokenizer_directory

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

_FILES = ("tokenizer", "calib_dataset")


def split(
    checkpoint: Checkpoint, options: Options, values: Mapping[str, object]
) -> tuple[dict[str, str], dict[str, object]]:
    """Return the digests of every file a build reads, and `values` without the options that name files.

    Reads every file that is not fingerprinted yet. Raises `ModelNotFound` or `CompileError` for one that is not there.
    """
    files = [(path.name, path) for path in build_files(checkpoint, code=options.trust_remote_code)]
    tokenizer = tokenizer_directory(options, os.environ, _Silent())
    if tokenizer is not None:
        files += [(f"tokenizer/{path.name}", path) for path in sorted(tokenizer.iterdir()) if path.is_file()]
    if options.calib_dataset is not None and "calib_dataset" in values:
        files.append(("option.calib_dataset", calibration_file(options.calib_dataset)))
    memory = None if options.cache == "off" else CacheSettings.of(options, os.environ).fingerprints
    rest = {name: value for name, value in values.items() if name not in _FILES}
    return digests(files, Memory(memory)), rest


def recipe(files: Iterable[Path]) -> str:
    """Return a digest of the code that decides what a build writes, so that no release can forget to say so."""
    hasher = blake3()
    for file in files:
        hasher.update(file.read_bytes())
    return str(hasher.hexdigest(4))


def version(library: str) -> str:
    """Return the installed version of a distribution, or that there is none."""
    return installed.version(library) or "not installed"


class _Silent:
    def stage(self, name: str, percent: float | None = None) -> None:
        """Say nothing: what is looked up here was downloaded before."""
