"""Engine files under the names that the library looks for.

From 0.8 on it opens `rank<i>.engine` beside a config.json with `build_config`. Model repositories of LMI's have such
engines as `<model>_<dtype>_tp<N>_rank<i>.engine` too; then the library gets a directory of links. Engines with the old
config.json are looked for under the old names, which they have.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from blake3 import blake3

from djl_trtllm.compile import disk
from djl_trtllm.compile.settings import CacheSettings
from djl_trtllm.core import CompiledModel
from djl_trtllm.engines.trtllm.engine_files import read
from djl_trtllm.model.engine_directory import rank_files

if TYPE_CHECKING:
    from djl_trtllm.options.table import Options


def openable(
    model: CompiledModel, options: Options, environ: Mapping[str, str] = os.environ
) -> CompiledModel:
    """Return the model with a `path` that the library can open; mostly it is the same. Every rank may ask.

    Links are made in the cache directory, once for a directory of engines. Raises `CompileError` where they cannot be
    written, `ArtifactError` where config.json cannot be read.
    """
    wanted = {f"rank{rank}.engine": file for rank, file in rank_files(model.path).items()}
    if all(file.name == name for name, file in wanted.items()) or read(model.path).legacy:
        return model
    engines = set(wanted.values())
    others = {file.name: file for file in model.path.iterdir() if file.is_file() and file not in engines}
    links = _directory(model.path, CacheSettings.of(options, environ).root)
    try:
        links.mkdir(parents=True, exist_ok=True)
        for name, file in {**others, **wanted}.items():
            _link(links / name, file.resolve())
    except OSError as error:
        raise disk.problem(error, links) from error
    return replace(model, path=links, text=model.text_path)


def _directory(path: Path, root: Path) -> Path:
    name = blake3(os.fsencode(path.resolve())).hexdigest(16)
    return root / "links" / str(name)


def _link(link: Path, target: Path) -> None:
    """Make a link, or leave one that another rank made a moment ago."""
    if link.is_symlink() and link.readlink() != target:
        link.unlink()
    with suppress(FileExistsError):
        link.symlink_to(target)
