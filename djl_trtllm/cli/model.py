"""The MODEL of a command line, and the options that go with it: the same for every command that takes a model."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from djl_trtllm.errors import LoadError, ModelNotFound

if TYPE_CHECKING:
    from djl_trtllm.core import Progress
    from djl_trtllm.local.deployment import Deployment
    from djl_trtllm.service.ahead import Highest

FLAG = "--option"
FORMS = "a directory, a hub id or an s3:// address"
PROPERTIES = "serving.properties"
WHAT = """\
MODEL is a model directory with serving.properties, or that file; a directory with a Hugging Face checkpoint or a
compiled model; a hub id; or an address s3://bucket/prefix. Without it HF_MODEL_ID is taken from the environment, else
a small demo model.
"""
SOURCES = """\
Options come from --option, else from serving.properties, else from OPTION_* in the environment, as DJL-Serving takes
them. `djl-trtllm options` lists them.
"""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command line says of a model: `properties` as DJL would pass them, `highest` what --option says.

    `given` are the pairs of the user's serving.properties.
    """

    deployment: Deployment
    properties: Mapping[str, object]
    highest: Highest
    given: Mapping[str, str]


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add MODEL and --option."""
    parser.add_argument("model", nargs="?", metavar="MODEL", help=FORMS)
    add_options(parser, "an option of the model; wins over serving.properties; may be given several times")


def add_options(parser: argparse.ArgumentParser, text: str) -> None:
    """Add --option."""
    parser.add_argument(FLAG, action="append", type=pair, default=[], metavar="KEY=VALUE", help=text)


def pair(text: str) -> tuple[str, str]:
    """Read one value of --option."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form key=value")
    return key.strip(), value.strip()


def wanted(args: argparse.Namespace, scratch: Path, progress: Progress) -> Wanted:
    """Merge what the command line, the model's directory and the environment say, as `serve` does.

    A model directory is made in `scratch` where MODEL is none. Raises `LoadError`.
    """
    from djl_trtllm.local import cudart
    from djl_trtllm.local.deployment import deployment

    options: dict[str, str] = dict(args.option)
    model = directory_of(args.model) or default_model(progress)
    found = deployment(model, scratch, options, os.environ, cudart.gpu_count())
    flags = {key: value for key, value in options.items() if key != "engine"}
    if found.directory.parent == scratch:
        # Not the scratch directory: each rank has its own, and names are relative to where the user is.
        return Wanted(found, {**found.options, "model_dir": "."}, (FLAG, flags), {})
    properties = {**found.options, "model_dir": str(found.directory)}
    return Wanted(found, properties, (FLAG, flags), properties_of(found.directory))


def directory_of(model: str | None) -> str | None:
    """Return MODEL, or the directory of the serving.properties that it names."""
    if model is None or not Path(model).is_file():
        return model
    if Path(model).name != PROPERTIES:
        raise ModelNotFound(
            f"{model} is a file. Name a directory, a hub id, an s3:// address, or a file {PROPERTIES}."
        )
    return str(Path(model).absolute().parent)


def properties_of(directory: Path) -> Mapping[str, str]:
    """Return the pairs of a model directory's serving.properties; none where there is no such file."""
    from djl_trtllm.local import properties

    file = directory / PROPERTIES
    try:
        return properties.parse(file.read_text(encoding="utf-8", errors="replace")) if file.is_file() else {}
    except OSError as problem:
        raise LoadError(f"{file} could not be read: {problem.strerror}.") from problem


def default_model(progress: Progress) -> str | None:
    """Return the demo model's directory, making it on first use; None where the environment names a model."""
    if os.environ.get("HF_MODEL_ID"):
        return None
    from djl_trtllm.local import demo, workspace

    return str(demo.checkpoint(workspace.cache_root(os.environ), progress))
