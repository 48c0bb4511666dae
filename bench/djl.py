"""Upstream's own Python package, out of its jar on Maven Central: the one both handlers run under."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

VERSIONS = ("0.34.0", "0.25.0")
BUILD = Path("build/bench")
BINDING = "org.slf4j:slf4j-simple:2.0.17"


def jar(version: str) -> Path:
    """Return the `ai.djl.python:python` jar of `version`, downloading it once."""
    import jgo

    environment = jgo.build(f"ai.djl.python:python:{version}+{BINDING}")
    found = sorted(Path(environment.path).glob(f"*/python-{version}.jar"))
    if not found:
        raise FileNotFoundError(f"ai.djl.python:python:{version} resolved without its own jar.")
    return found[0]


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
