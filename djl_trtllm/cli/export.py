"""A compiled model in a directory of its own, which is served wherever it is copied: model and serving.properties.

The directory appears by one rename, whole. Large files are hard links to those in the cache where that is possible,
because nobody edits them; small ones, which somebody may, are copies.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.compile import disk, manifest
from djl_trtllm.errors import ArtifactError, CompileError

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options

_LINKED_FROM = 16 << 20
_PARTIAL = ".partial-"
_OWN_CODE = "model.py"
_BUILD_ONLY = frozenset(
    {
        *("allow_pickle_weights", "cache", "cache_dir", "cache_max_size", "cache_remote", "calib_dataset"),
        *(
            "model_id",
            "quality_floor",
            "revision",
            "tokenizer",
            "trtllm_checkpoint_path",
            "trust_remote_code",
        ),
    }
)
"""Options that say where a model is made from, or kept: the directory needs none of them any more."""


def check(target: Path, *, force: bool) -> None:
    """Refuse a directory that holds something else. Raises `CompileError`; better before compiling than after it."""
    if not target.exists() or _is_empty(target):
        return
    if not (target / manifest.NAME).is_file():
        raise CompileError(
            f"{target} exists and holds no compiled model. Name an empty directory, or one to be made."
        )
    if not force:
        raise CompileError(
            f"{target} holds a compiled model already. Remove it, name another directory, or give --force."
        )


def write(artifact: Path, target: Path, lines: Mapping[str, str], code: Path | None = None) -> None:
    """Make `target` a copy of the artifact with a serving.properties of `lines`; every digest is compared.

    `target` is an absolute path, `code` a file model.py that goes with them. Raises `ArtifactError` for a damaged
    artifact, `CompileError` for the disk's failures; `target` is as it was then.
    """
    from djl_trtllm.local import properties

    parent = target.parent
    half = parent / f".{target.name}{_PARTIAL}{os.getpid()}-{secrets.token_hex(4)}"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target)
        _copy_tree(artifact, half)
        manifest.verify(half)
        (half / "serving.properties").write_text(properties.render(lines), encoding="utf-8")
        if code is not None:
            shutil.copyfile(code, half / _OWN_CODE)
        disk.flush_tree(half)
        _put(half, target)
        disk.flush(parent)
    except OSError as error:
        raise CompileError(
            f"{target} cannot be written: {error.strerror or error}."
            f" {disk.size(disk.free_bytes(parent))} are free there."
        ) from error
    finally:
        shutil.rmtree(half, ignore_errors=True)


def lines(given: Mapping[str, str], options: Options, engine: str) -> dict[str, str]:
    """Return the serving.properties of a compiled model: `given` is the file it was compiled from.

    Every option that was set stays, wherever it was set, unless the model needs it no more.
    """
    from djl_trtllm.options.explain import written
    from djl_trtllm.options.sources import FILE
    from djl_trtllm.options.table import ALIASES, SPECS

    names = {key: key.removeprefix("option.") for key in given}
    in_file = {ALIASES.get(name, name) for name in names.values()}
    kept = {key: given[key] for key, name in names.items() if ALIASES.get(name, name) not in SPECS}
    kept["engine"] = engine
    kept.setdefault("option.entryPoint", "djl_trtllm.handler")
    ours = {
        f"option.{name}": written(getattr(options, name))
        for name, source in options.sources.items()
        if name not in _BUILD_ONLY and (source != FILE or name in in_file)
    }
    return {**kept, **ours}


def code_of(directory: Path, given: Mapping[str, str]) -> Path | None:
    """Return the model.py of a model directory, where it is what DJL starts."""
    code = directory / _OWN_CODE
    return code if code.is_file() and given.get("option.entryPoint", _OWN_CODE) == _OWN_CODE else None


def damaged(error: ArtifactError) -> ArtifactError:
    """Say what becomes of a damaged artifact."""
    return ArtifactError(*error.problems, "It is removed from the cache: compile again.")


def _copy_tree(source: Path, target: Path) -> None:
    for file in sorted(path for path in source.rglob("*") if path.is_file()):
        place = target / file.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        if file.stat().st_size >= _LINKED_FROM:
            with suppress(OSError):  # another file system, or one without links
                os.link(file, place)
                continue
        shutil.copyfile(file, place)


def _put(half: Path, target: Path) -> None:
    """Rename into place; a compiled model that is there goes out of sight first, and then away."""
    old = half.with_name(f"{half.name}-old")
    if target.exists() and not _is_empty(target):
        target.rename(old)
    try:
        half.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _is_empty(directory: Path) -> bool:
    return directory.is_dir() and next(directory.iterdir(), None) is None


def _remove_abandoned(target: Path) -> None:
    """Remove what writers of the same directory have left that were killed."""
    begin = f".{target.name}{_PARTIAL}"
    for path in target.parent.glob(f"{begin}*"):
        process = path.name.removeprefix(begin).partition("-")[0]
        if process.isdigit() and not Path("/proc", process).exists():
            shutil.rmtree(path, ignore_errors=True)
