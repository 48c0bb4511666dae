"""`djl-trtllm check`: what a model directory and this environment come to, before anything is loaded."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from djl_trtllm.errors import LoadError, OptionsError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "check",
        help="show what a model directory's options come to",
        description="Show every option with its value and source, what is ignored, and all that is wrong.",
    )
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="the one with serving.properties")
    parser.add_argument("--set", action="store_true", help="only options that are set")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print options, notes and problems; 1 when there are problems."""
    from djl_trtllm.engines import registry
    from djl_trtllm.options import explain, sources

    pairs = _properties(args.directory)
    try:
        options = sources.read(_as_djl_passes(pairs, args.directory), os.environ)
        runtime = registry.choose(options, 1).name
    except LoadError as error:
        for problem in error.problems:
            print(f"error: {problem}", file=sys.stderr)
        return 1
    effective = [row for row in explain.effective(options) if not args.set or row[2] != "default"]
    width = max((len(f"{name}={value}") for name, value, _ in effective), default=0)
    for name, value, source in effective:
        print(f"{name}={value}".ljust(min(width, 60)), f"  {source}")
    for note in [*_without_prefix(pairs), *explain.notes(options, runtime)]:
        print(f"note: {note}")
    print(f"ok: the {runtime} runtime would be used")
    return 0


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
