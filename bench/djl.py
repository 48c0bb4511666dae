"""Upstream's own Python package, out of its jar on Maven Central: the one both handlers run under."""

from __future__ import annotations

import os
import sys
import zipfile
from pathlib import Path

from djl_trtllm.local.jars import TESTED_VERSIONS, class_path
from djl_trtllm.local.workspace import cache_root

VERSIONS = TESTED_VERSIONS
BUILD = Path("build/bench")


def jar(version: str) -> Path:
    """Return the `ai.djl.python:python` jar of `version`, fetching it once."""
    jars = class_path(version, cache_root(os.environ) / "jars", print)
    return next(jar for jar in jars if jar.name == f"python-{version}.jar")


def extract(version: str, root: Path = BUILD) -> Path:
    """Unpack the Python part of the jar and return the directory to put on `sys.path`."""
    directory = root / f"djl-{version}"
    if not (directory / "djl_python" / "__init__.py").exists():
        with zipfile.ZipFile(jar(version)) as archive:
            archive.extractall(directory, [name for name in archive.namelist() if name.endswith(".py")])
    return directory


def use(version: str, root: Path = BUILD) -> None:
    """Make `import djl_python` give this version. One version per process."""
    sys.path.insert(0, str(extract(version, root).resolve()))
