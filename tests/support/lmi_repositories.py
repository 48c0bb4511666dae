"""What DJL-Serving takes for a converted model, version by version: LmiUtils.isValidTrtLlmModelRepo, in Python.

The jars with that class are not on Maven Central; the rules were read in its branches 0.27 to 0.36.
"""

from __future__ import annotations

import json
from pathlib import Path

BY_DIRECTORIES = ("0.27", "0.28", "0.29", "0.30", "0.31", "0.32")
BY_CONFIG = ("0.33", "0.34", "0.35", "0.36")


def is_valid(repository: Path, djl: str) -> bool:
    """Whether DJL of this version starts a worker on it, instead of converting it again."""
    if djl in BY_DIRECTORIES:
        return any(
            (path / "config.pbtxt").is_file() and (path / "tokenizer_config.json").is_file()
            for path in repository.iterdir()
            if path.is_dir()
        )
    assert djl in BY_CONFIG
    config = repository / "config.json"
    return config.is_file() and "build_config" in json.loads(config.read_text())


def valid_for(repository: Path) -> tuple[str, ...]:
    """The versions that take it; none where there is no such directory."""
    if not repository.is_dir():
        return ()
    return tuple(djl for djl in (*BY_DIRECTORIES, *BY_CONFIG) if is_valid(repository, djl))
