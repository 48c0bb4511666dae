"""The real `djl_python` of DJL's own jars, unpacked once under build/ for tests and benches."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

from filelock import FileLock

from djl_trtllm.local.jars import DEFAULT_VERSION, TESTED_VERSIONS, class_path

ROOT = Path(__file__).resolve().parents[2] / "build" / "djl_python"


__all__ = ["TESTED_VERSIONS", "importable", "path"]


def path(version: str = DEFAULT_VERSION) -> Path:
    """Return a directory that holds `djl_python` of DJL `version`, to put on sys.path."""
    target = ROOT / version
    with FileLock(_made(ROOT) / f"{version}.lock"):
        if not (target / "djl_python" / "outputs.py").exists():
            jars = class_path(version, ROOT / "jars", lambda line: None)
            jar = next(jar for jar in jars if jar.name == f"python-{version}.jar")
            with zipfile.ZipFile(jar) as archive:
                names = [name for name in archive.namelist() if name.startswith("djl_python")]
                archive.extractall(target, names)
    return target


def importable(version: str = DEFAULT_VERSION) -> None:
    """Make `import djl_python` find the real package of DJL `version` in this process."""
    sys.path.insert(0, str(path(version)))


def _made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory
