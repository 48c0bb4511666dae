"""`djl-trtllm check`: what a model directory and this environment come to, before anything is loaded."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.errors import LoadError, OptionsError

if TYPE_CHECKING:
    from djl_trtllm.core import Checkpoint
    from djl_trtllm.engines.trtllm.resolved import Resolved
    from djl_trtllm.engines.trtllm.versions import Release
    from djl_trtllm.options.table import Options


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "check",
        help="show what a model directory's options come to",
        description="Show every option with its value and source, what is ignored, and all that is wrong.",
    )
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="the one with serving.properties")
    parser.add_argument("--set", action="store_true", help="only options that are set")
    parser.add_argument(
        "--tensorrt-llm",
        metavar="VERSION",
        help="as on a machine with GPUs and this TensorRT-LLM; shows what its builder and batch manager get",
    )
    parser.add_argument(
        "--ranks", type=int, default=1, metavar="N", help="MPI ranks that would be started (1)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print options, notes and problems; 1 when there are problems."""
    from djl_trtllm.options import explain, sources

    pairs = _properties(args.directory)
    try:
        options = sources.read(_as_djl_passes(pairs, args.directory), os.environ)
        runtime, resolved = _resolve(options, args.tensorrt_llm, args.ranks)
    except LoadError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return 1
    effective = [row for row in explain.effective(options) if not args.set or row[2] != "default"]
    width = max((len(f"{name}={value}") for name, value, _ in effective), default=0)
    for name, value, source in effective:
        print(f"{name}={value}".ljust(min(width, 60)), f"  {source}")
    for place, values in resolved.arguments.items():
        for name, given in values.items():
            print(f"gets: {place}.{name} = {given!r}")
    for note in [*_without_prefix(pairs), *explain.notes(options, runtime), *resolved.notes]:
        print(f"note: {note}")
    print(f"ok: the {runtime} runtime would be used")
    return 0


def _resolve(options: Options, version: str | None, ranks: int) -> tuple[str, Resolved]:
    """Return the runtime and, for TensorRT-LLM, what the library would be given. Raises `LoadError`."""
    from djl_trtllm.engines import registry
    from djl_trtllm.engines.trtllm import option_map, versions
    from djl_trtllm.engines.trtllm.resolved import Resolved

    if version is None:
        release, runtime = versions.installed(), registry.choose(options, ranks).name
    else:
        release = _release(version)
        runtime = registry.runtime_for(options, release)
    if release is None or runtime == "openvino":
        return runtime, Resolved({})
    resolved = option_map.resolve(options, release, _local(options), ranks, runtime=runtime)
    if resolved.problems:
        raise OptionsError(*resolved.problems)
    return runtime, resolved


def _release(version: str) -> Release:
    from djl_trtllm.engines.trtllm.versions import Release

    try:
        return Release.of(version)
    except ValueError as error:
        raise OptionsError(f"--tensorrt-llm: {error}. Write it as 0.12.0.") from None


def _local(options: Options) -> Checkpoint | None:
    """Return the checkpoint where it is a directory here; nothing is downloaded."""
    from djl_trtllm.model import checkpoint

    path = Path(options.model_id or options.model_dir)
    return (
        checkpoint.read(path, options.model_id or path.name) if (path / checkpoint.CONFIG).is_file() else None
    )


def _properties(directory: Path) -> Mapping[str, str]:
    from djl_trtllm.local import properties

    if not directory.is_dir():
        raise OptionsError(f"{directory} is not a directory.")
    file = directory / "serving.properties"
    return properties.parse(file.read_text(encoding="utf-8", errors="replace")) if file.is_file() else {}


def _as_djl_passes(pairs: Mapping[str, str], directory: Path) -> dict[str, object]:
    options: dict[str, object] = {key: value for key, value in pairs.items() if key.startswith("option.")}
    return options | {"model_dir": str(directory.absolute())}


def _without_prefix(pairs: Mapping[str, str]) -> list[str]:
    from djl_trtllm.options.table import ALIASES, SPECS

    lost = [key for key in pairs if key in SPECS or key in ALIASES]
    return [f"{key} has no effect in serving.properties; write option.{key}." for key in lost]
