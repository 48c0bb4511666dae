"""The jars of DJL's Python engine, fetched once from Maven Central and remembered.

`jgo` resolves `ai.djl.python:python:<version>` with its dependencies and a logging binding (about 20 jars, 8 MB).
The resolved class path is written next to them, so that a later start neither resolves nor touches the network.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from djl_trtllm.errors import LoadError

DEFAULT_VERSION = "0.34.0"
TESTED_VERSIONS = ("0.34.0", "0.25.0")
SLF4J = "org.slf4j:slf4j-simple:2.0.17"

Say = Callable[[str], None]


def class_path(version: str, cache: Path, say: Say) -> tuple[Path, ...]:
    """Return the jars of DJL `version`, fetching them into `cache` when they are not all there.

    `say` gets one line when something has to be fetched. Raises LoadError when the version is no version, or when
    the jars cannot be had.
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise LoadError(
            f"DJL version {version!r} is not of the form 0.34.0 (tested: {', '.join(TESTED_VERSIONS)})."
        )
    record = cache / f"class-path-{version}.json"
    if jars := _remembered(record):
        return jars
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"class-path-{version}.lock"):
        if jars := _remembered(record):
            return jars
        say(f"fetching the jars of DJL {version} from Maven Central (once, about 8 MB)")
        jars = _fetch(version, cache)
        scratch = record.with_suffix(".tmp")
        scratch.write_text(json.dumps({str(jar): jar.stat().st_size for jar in jars}, indent=1))
        scratch.replace(record)
    return jars


def _remembered(record: Path) -> tuple[Path, ...]:
    """Return the recorded jars if every one is still there with its size, else nothing."""
    try:
        sizes = json.loads(record.read_text())
        jars = tuple(Path(name) for name in sizes)
        whole = all(jar.stat().st_size == sizes[str(jar)] for jar in jars)
    except (OSError, ValueError, AttributeError):
        return ()
    return jars if whole else ()


def _fetch(version: str, cache: Path) -> tuple[Path, ...]:
    try:
        import jgo
    except ImportError as missing:
        raise LoadError("The local front needs jgo: install djl-trtllm[local].") from missing
    coordinate = f"ai.djl.python:python:{version}"
    try:
        jars = tuple(jgo.build(f"{coordinate}+{SLF4J}", cache_dir=cache).all_jars)
    except Exception as problem:  # jgo lets through whatever its HTTP client and XML reader raise
        reason = str(problem).splitlines()[0][:200] if str(problem) else type(problem).__name__
        raise LoadError(
            f"The jars of DJL {version} ({coordinate}) could not be fetched from Maven Central: {reason}. "
            "The first start needs the network; later ones do not."
        ) from problem
    if not any(jar.name == f"python-{version}.jar" for jar in jars):
        raise LoadError(f"Maven Central gave no python-{version}.jar for {coordinate}.")
    return jars
